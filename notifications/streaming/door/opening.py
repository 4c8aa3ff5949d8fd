"""Decides whether a stream may open, in one trip to a database thread.

It checks the credential and the rate limit, and takes a slot.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from notifications import services
from notifications.conf import hub_config
from notifications.http.token_buckets import Allowance, Buckets
from notifications.http.user_agents import printable_agent
from notifications.models import OpenedBy, Worker
from notifications.selectors import InboxState
from notifications.streaming.asgi import HeaderList, Headers, Scope
from notifications.streaming.connection.log_position import ResumePlan
from notifications.streaming.connection.request import StreamRequest
from notifications.streaming.credential import Credential
from notifications.streaming.door.credentials import identify
from notifications.streaming.refusals import Refusal
from notifications.system.addresses import normal_address


class OpenedStream(NamedTuple):
    """The outcome of an opening: what was decided, and what was recorded.

    Attributes:
        credential: the credential by which the stream is open.
        inbox: the inbox as it was then.
        plan: how the stream begins in the log.
        replaced: the keys of the streams that this one replaces.
    """

    credential: Credential
    inbox: InboxState
    plan: ResumePlan
    replaced: list[UUID]


class StreamOpening:
    """One stream that is about to be opened.

    Args:
        stream_id: of the new stream.
        scope, headers, request: what the client has sent.
        buckets: those of this process alone; asking Redis would take a twentieth of the time that an opening
            may take.

    Attributes:
        allowance: how many more openings its user may ask for in this minute; None until the user is known,
            and when there is no limit.
    """

    def __init__(
        self, stream_id: UUID, scope: Scope, headers: Headers, request: StreamRequest, buckets: Buckets
    ) -> None:
        self._stream_id = stream_id
        self._buckets = buckets
        self._scope = scope
        self._headers = headers
        self._request = request
        self._credential: Credential | None = None
        self.allowance: Allowance | None = None

    @property
    def limit_headers(self) -> HeaderList:
        """The headers that tell every client what is left of its allowance."""
        fields = self.allowance.headers if self.allowance else {}
        return [(name.lower().encode(), value.encode()) for name, value in fields.items()]

    def check(self) -> None:
        """Check the credential and the rate limit as for an opening, without using a ticket up.

        Runs in a database thread.

        Raises:
            Refusal: those of ``identify``; or the user has asked too often (429).
        """
        self._authorize(is_opening=False)

    def open(self, worker: Worker) -> OpenedStream:
        """Check the credential, then take a slot.

        A second call only takes a slot, because a ticket can be used once.

        Raises:
            Refusal: those of ``check``; nothing was changed but that a ticket was used up.
            Exception: those of ``services.open_stream``.
        """
        if self._credential is None:
            self._credential = self._authorize(is_opening=True)
        plan: ResumePlan | None = None

        def begin(state: InboxState) -> tuple[str, int]:
            nonlocal plan
            plan = self._request.plan_for(state)
            return plan.resume, plan.start

        inbox, replaced = services.open_stream(self._new_stream(self._credential), worker, begin)
        assert plan is not None  # noqa: S101 (open_stream has called begin)
        return OpenedStream(self._credential, inbox, plan, replaced)

    def _authorize(self, *, is_opening: bool) -> Credential:
        credential = identify(self._headers, self._request.ticket, is_opening)
        if limit := hub_config().max_requests_per_minute:
            self.allowance = taken = self._buckets.take("stream", credential.user_id, limit)
            if not taken.is_granted:
                retry = (b"retry-after", str(taken.seconds).encode())
                raise Refusal("throttled", headers=[retry], more=taken.problem_members(datetime.now(UTC)))
        return credential

    def _new_stream(self, credential: Credential) -> services.NewStream:
        """Return what the record of the stream holds from its beginning."""
        by_token = OpenedBy.TOKEN if credential.token_id is not None else OpenedBy.SESSION
        client = self._scope.get("client")
        return services.NewStream(
            id=self._stream_id,
            user_id=credential.user_id,
            client=self._request.client,
            agent=printable_agent(self._headers.get("user-agent") or ""),
            address=normal_address(client[0]) if client else None,
            opened_by=by_token if self._request.ticket is None else OpenedBy.TICKET,
            token_id=credential.token_id,
            session_key=credential.session_key,
            filters=str(self._request.filters),
        )
