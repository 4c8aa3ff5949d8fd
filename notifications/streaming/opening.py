"""What is asked before a stream is let in, in one trip to the private pool: by what right, not too often, and whether there is a slot."""

from __future__ import annotations

from math import ceil
from uuid import UUID

from notifications import services
from notifications.addresses import normal_address
from notifications.agents import printable_agent
from notifications.buckets import Buckets
from notifications.conf import hub_config
from notifications.models import OpenedBy, Worker
from notifications.selectors import InboxState
from notifications.services import OpenedStream
from notifications.streaming.credentials import Credential, identify
from notifications.streaming.refusals import Refusal
from notifications.streaming.requests import Headers, Scope, StreamRequest


def admit(headers: Headers, request: StreamRequest, buckets: Buckets, *, is_opening: bool) -> Credential:
    """By what right a stream is asked for, and not too often. Asks the database; call it in the private pool.

    Args:
        headers, request: what the client has sent.
        buckets: of this process alone: to ask Redis for it would take a twentieth of what an opening may.
        is_opening: as for ``identify``.

    Raises:
        Refusal: those of ``identify``; or the user has asked more often than one may (429).
    """
    credential = identify(headers, request.ticket, is_opening)
    limit = hub_config().max_requests_per_minute
    if limit and (seconds := buckets.take(str(credential.user_id), limit)):
        raise Refusal("throttled", headers=[(b"retry-after", b"%d" % ceil(seconds))])
    return credential


class Opening:
    """One stream that is about to be opened.

    Args:
        key: of the stream.
        scope, headers, request: what the client has sent.
        buckets: as for ``admit``.
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

    def open(self, worker: Worker) -> tuple[Credential, OpenedStream]:
        """Check the credential, then take a slot. Called again it takes a slot alone: a ticket can be used once.

        Raises:
            Refusal: those of ``admit``; nothing was changed but that a ticket was used up.
            Exception: those of ``services.open_stream``.
        """
        if self._credential is None:
            self._credential = admit(self._headers, self._request, self._buckets, is_opening=True)
        new = self._new_stream(self._credential)
        return self._credential, services.open_stream(new, worker, self._begin)

    def _begin(self, state: InboxState) -> tuple[str, int]:
        planned = self._request.plan_for(state)
        return planned.resume, planned.start

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
