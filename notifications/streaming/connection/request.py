"""The parameters of a request for a stream, read from its ASGI scope without touching the database."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_to_bytes
from uuid import UUID

from notifications.conf import hub_config
from notifications.exceptions import FieldErrors, InvalidInput, UnknownFilter
from notifications.filters import Filters
from notifications.protocol import strict_json
from notifications.selectors import InboxState
from notifications.streaming import timing
from notifications.streaming.asgi import Headers
from notifications.streaming.connection.changes import Form
from notifications.streaming.connection.log_position import ResumePlan, plan_resume

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_AFTER_NAMES: Final = ("after", "last_event_id", "lastEventId")


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamRequest:
    """The parameters of one stream.

    Attributes:
        after: the text of the cursor to resume from, ``earliest``, or None for "from now on".
        filters: which notifications are wanted.
        heartbeat_seconds: the time between two heartbeats, clamped.
        names_are_types: the frame of a created notification is named after its event type.
        takes_transient: transient events are wanted, too.
        ends_when_live: the stream ends after the backlog.
        takes_refusals_as_stream: a refusal with 429 or 503 is answered by a stream that closes at once.
        client: the id of the tab or device, whose older stream is replaced; None if it has none.
        ticket: the ticket in the URL, if there is one. It opens one stream, so the client cannot reconnect
            with it.
        takes_signals: the stream is the Range dialect's: its reader sees created notifications and nothing
            else.
    """

    after: str | None
    filters: Filters
    heartbeat_seconds: int
    names_are_types: bool
    takes_transient: bool
    ends_when_live: bool
    takes_refusals_as_stream: bool
    client: UUID | None
    ticket: str | None = field(repr=False)
    takes_signals: bool = False

    @property
    def form(self) -> Form:
        """The form in which the changes are wanted."""
        return "signals" if self.takes_signals else "typed" if self.names_are_types else "plain"

    @classmethod
    def parse(
        cls, parameters: Mapping[str, list[str]], headers: Headers, *, takes_signals: bool = False
    ) -> StreamRequest:
        """Read the parameters. Unknown ones are ignored, except those that are meant as a filter.

        Raises:
            InvalidInput: a filter has a bad value, or ``client`` is not a UUID.
            UnknownFilter: a parameter looks like a filter, and there is none of that name.
        """

        def last(name: str) -> str | None:
            return parameters[name][-1] if name in parameters else None

        # The header always wins, because a native EventSource reconnects with its first URL. An empty header
        # counts as none.
        given = headers.get("last-event-id") or next(filter(None, map(last, _AFTER_NAMES)), None)
        filters, client, errors = Filters(), None, FieldErrors()
        with errors:
            filters = Filters.parse_dialect(parameters) if takes_signals else Filters.parse(parameters)
        with errors:
            if takes_signals and "read" in parameters:
                raise UnknownFilter({"read": "is a filter of the list; a signal is neither read nor unread"})
        with errors:
            client = _client(last("client"))
        errors.check()
        return cls(
            after=given,
            filters=filters,
            heartbeat_seconds=timing.clamp_heartbeat(last("heartbeat")),
            names_are_types=last("names") == "type",
            takes_transient=not takes_signals and last("transient") != "false",
            ends_when_live=last("closeafter") == "live",
            takes_refusals_as_stream=last("on_limit") == "retry",
            client=client,
            ticket=last("ticket"),
            takes_signals=takes_signals,
        )

    def plan_for(self, state: InboxState) -> ResumePlan:
        """Decide how the stream begins, given the state of the inbox.

        The backlog of signals is never compacted, because a notification that was read meanwhile has its
        signal, too.
        """
        config = hub_config()
        return plan_resume(
            self.after,
            epoch=state.epoch,
            floor=state.floor,
            head=state.head,
            max_exact=state.head if self.takes_signals else config.max_exact_backlog,
            max_backlog=config.max_backlog,
        )


def parse_query(query: bytes) -> dict[str, list[str]]:
    """Parse a query string into names, each with its values in order.

    Raises:
        InvalidInput: it has more than 1,000 parameters, a NUL, or a lone surrogate.
    """
    parts = query.split(b"&")
    if len(parts) > timing.MAX_PARAMETERS:
        raise InvalidInput({"query": f"at most {timing.MAX_PARAMETERS} parameters may be given"})
    parameters: dict[str, list[str]] = {}
    for part in filter(None, parts):
        name, _, value = part.partition(b"=")
        parameters.setdefault(_decode(name), []).append(_decode(value))
    return parameters


def _client(text: str | None) -> UUID | None:
    if text is None:
        return None
    if not _UUID.fullmatch(text):
        raise InvalidInput({"client": "must be a UUID, such as 0197f2a4-5d3b-7c11-9a55-3f1c2f7be0aa"})
    return UUID(text)


def _decode(raw: bytes) -> str:
    octets = unquote_to_bytes(raw.replace(b"+", b" "))
    try:
        text = octets.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        text = octets.decode("utf-8", "replace")
    strict_json.check_text(text, field="query")
    return text
