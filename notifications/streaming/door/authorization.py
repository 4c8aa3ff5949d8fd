"""What is asked before a stream is let in, in one trip to the private pool: by what right, not too often, and
whether there is a slot.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from notifications import services
from notifications.conf import hub_config
from notifications.http.rate_limits import Allowance, Buckets
from notifications.http.user_agents import printable_agent
from notifications.models import OpenedBy, Worker
from notifications.selectors import InboxState
from notifications.streaming.asgi import HeaderList, Headers, Scope
from notifications.streaming.connection.credential import Credential
from notifications.streaming.connection.log_position import Plan
from notifications.streaming.connection.request import StreamRequest
from notifications.streaming.door.credentials import identify
from notifications.streaming.refusal import Refusal
from notifications.system.addresses import normal_address


class Opened(NamedTuple):
    """What was decided, and what is on record of it.

    Attributes:
        credential: by what right the stream is open.
        inbox: as it was then.
        plan: how the stream begins in it.
        replaced: the keys of the streams that this one replaces.
    """

    credential: Credential
    inbox: InboxState
    plan: Plan
    replaced: list[UUID]


class Opening:
    """One stream that is about to be opened.

    Args:
        key: of the stream.
        scope, headers, request: what the client has sent.
        buckets: of this process alone: to ask Redis for it would take a twentieth of what an opening may.

    Attributes:
        allowance: what is left of the openings that its user may ask for in a minute; None while nobody knows
            who asks, and without a limit.
    """

    def __init__(
        self, key: UUID, scope: Scope, headers: Headers, request: StreamRequest, buckets: Buckets
    ) -> None:
        self._key = key
        self._buckets = buckets
        self._scope = scope
        self._headers = headers
        self._request = request
        self._credential: Credential | None = None
        self.allowance: Allowance | None = None

    @property
    def fields(self) -> HeaderList:
        """What every answer tells of the allowance."""
        fields = self.allowance.fields if self.allowance else {}
        return [(name.lower().encode(), value.encode()) for name, value in fields.items()]

    def check(self) -> None:
        """By what right a stream is asked for, and not too often, as for one that is opened; a ticket stays.
        In the private pool.

        Raises:
            Refusal: those of ``identify``; or the user has asked more often than one may (429).
        """
        self._admit(is_opening=False)

    def open(self, worker: Worker) -> Opened:
        """Check the credential, then take a slot. Called again it takes a slot alone: a ticket can be used
        once.

        Raises:
            Refusal: those of ``check``; nothing was changed but that a ticket was used up.
            Exception: those of ``services.open_stream``.
        """
        if self._credential is None:
            self._credential = self._admit(is_opening=True)
        plan: Plan | None = None

        def begin(state: InboxState) -> tuple[str, int]:
            nonlocal plan
            plan = self._request.plan_for(state)
            return plan.resume, plan.start

        inbox, replaced = services.open_stream(self._new_stream(self._credential), worker, begin)
        assert plan is not None  # noqa: S101 (it was asked for the stream's row)
        return Opened(self._credential, inbox, plan, replaced)

    def _admit(self, *, is_opening: bool) -> Credential:
        credential = identify(self._headers, self._request.ticket, is_opening)
        if limit := hub_config().max_requests_per_minute:
            self.allowance = taken = self._buckets.take("stream", credential.user_id, limit)
            if not taken.is_granted:
                retry = (b"retry-after", str(taken.seconds).encode())
                raise Refusal("throttled", headers=[retry], more=taken.described(datetime.now(UTC)))
        return credential

    def _new_stream(self, credential: Credential) -> services.NewStream:
        """What is put on record of it."""
        by_token = OpenedBy.TOKEN if credential.token_id is not None else OpenedBy.SESSION
        client = self._scope.get("client")
        return services.NewStream(
            id=self._key,
            user_id=credential.user_id,
            client=self._request.client,
            agent=printable_agent(self._headers.get("user-agent") or ""),
            address=normal_address(client[0]) if client else None,
            opened_by=by_token if self._request.ticket is None else OpenedBy.TICKET,
            token_id=credential.token_id,
            session_key=credential.session_key,
            filters=str(self._request.filters),
        )
