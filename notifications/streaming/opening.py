"""What is asked of the database before a stream is let in, in one trip to the private pool: by what right, and whether there is a slot."""

from __future__ import annotations

from uuid import UUID

from notifications import services
from notifications.addresses import normal_address
from notifications.agents import printable_agent
from notifications.models import OpenedBy, Worker
from notifications.selectors import InboxState
from notifications.services import OpenedStream
from notifications.streaming.credentials import Credential, identify
from notifications.streaming.requests import Headers, Scope, StreamRequest


class Opening:
    """One stream that is about to be opened.

    Args:
        key: of the stream.
        scope, headers, request: what the client has sent.
    """

    def __init__(self, key: UUID, scope: Scope, headers: Headers, request: StreamRequest) -> None:
        self._key = key
        self._scope = scope
        self._headers = headers
        self._request = request
        self._credential: Credential | None = None

    def open(self, worker: Worker) -> tuple[Credential, OpenedStream]:
        """Check the credential, then take a slot. Called again it takes a slot alone: a ticket can be used once.

        Raises:
            Refusal: of the credential; nothing was changed but that a ticket was used up.
            Exception: those of ``services.open_stream``.
        """
        if self._credential is None:
            self._credential = identify(self._headers, self._request.ticket, True)
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
            filters=str(self._request.filters),
        )
