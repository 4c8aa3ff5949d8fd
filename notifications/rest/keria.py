"""The Range dialect of KERIA and SignifyPy clients: the inbox as notes (protocol, section 5).

A project mounts it at the site's root with ``path("", include("notifications.rest.keria"))``;
``range_dialect`` in the settings switches it off. Its stream is routed with the other streams:
``http_routes(…, with_dialect=True)``.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
from django.http import Http404
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from notifications import selectors, services
from notifications.conf import hub_config
from notifications.exceptions import InvalidInput, NotFound
from notifications.filters import Filters
from notifications.payloads import note_json
from notifications.rest.answers import rendered
from notifications.rest.http.authentication import provenance_of
from notifications.rest.inbox import HubView
from notifications.rest.inputs import parse_id, parse_nothing

DEFAULT_COUNT: Final = 25
MAX_COUNT: Final = 200
ORDERS: Final = {"asc": False, "desc": True}
# The spellings of true and false that KERIA's server accepts.
READ: Final = dict.fromkeys(("true", "True", "t", "yes", "y", "1", "on"), True) | dict.fromkeys(
    ("false", "False", "f", "no", "n", "0", "off"), False
)
# Units are read in either case (RFC 9110).
_RANGE: Final = re.compile(r"notes=(0|[1-9][0-9]{0,15})-(0|[1-9][0-9]{0,15})?", re.ASCII | re.IGNORECASE)
_OTHER_UNIT: Final = re.compile(r"(?!notes=)[a-z0-9._-]+=", re.ASCII | re.IGNORECASE)


class NoteRange(NamedTuple):
    """The notes that are requested, by their index in the list; ``is_ranged`` when a range was given."""

    start: int
    limit: int
    is_ranged: bool

    @classmethod
    def parse(cls, header: str | None) -> NoteRange:
        """Read ``Range: notes=<first>-<last>``; the last may be left out.

        A range of another unit counts as none (RFC 9110). More than 200 notes are cut to 200, as
        ``Content-Range`` then shows.

        Raises:
            InvalidInput: it is no range of notes.
        """
        if header is None or _OTHER_UNIT.match(header):
            return cls(0, DEFAULT_COUNT, False)
        match = _RANGE.fullmatch(header)
        start = int(match[1]) if match else 0
        last = int(match[2]) if match and match[2] else start + DEFAULT_COUNT - 1
        if match is None or last < start:
            raise InvalidInput({"Range": "must be notes=<first>-<last>, such as notes=0-24"})
        return cls(start, min(last - start + 1, MAX_COUNT), True)


class DialectView(HubView):
    """The base of both endpoints, which do not exist when the dialect is switched off."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse a request while the dialect is off, before its credential is checked."""
        if not hub_config().range_dialect:
            raise Http404
        super().initial(request, *args, **kwargs)


class NotesView(DialectView):
    """``/notifications``"""

    def get(self, request: Request) -> Response:
        """Return a part of the list as notes, oldest first; 206 when a range was requested.

        A filtered list is numbered by itself.
        """
        note_range = NoteRange.parse(request.headers.get("Range"))
        params = request.query_params
        order = params.get("order", "asc")
        if order not in ORDERS:
            raise InvalidInput({"order": "must be asc or desc"})
        read = params.get("read")
        if read is not None and read not in READ:
            raise InvalidInput({"read": "must be true or false"})
        filters = Filters.parse_dialect(dict(params.lists()))
        services.open_inbox(request.user.pk)
        rows, total = selectors.list_slice(
            request.user.pk,
            start=note_range.start,
            limit=note_range.limit,
            newest_first=ORDERS[order],
            filters=filters,
            is_read=None if read is None else READ[read],
        )
        first = note_range.start if total else 0
        last = first + len(rows) - 1 if rows else 0
        headers = {"Accept-Ranges": "notes", "Content-Range": f"notes {first}-{last}/{total}"}
        notes: list[orjson.Fragment] = rendered(rows, note_json)
        return Response(notes, status=206 if note_range.is_ranged else 200, headers=headers)


class NoteView(DialectView):
    """``/notifications/{id}``"""

    def put(self, request: Request, note: str) -> Response:
        """Mark it read; a note that is read stays so."""
        if request.body:
            parse_nothing(request.data)
        return _accepted(
            services.mark_read(request.user, [_public_id(note)], provenance=provenance_of(request))
        )

    def delete(self, request: Request, note: str) -> Response:
        """Delete it for good."""
        return _accepted(services.delete(request.user, [_public_id(note)], provenance=provenance_of(request)))


def _public_id(text: str) -> UUID:
    public_id = parse_id(text)
    if public_id is None:
        raise NotFound
    return public_id


def _accepted(outcome: services.Outcome) -> Response:
    if outcome.not_found:
        raise NotFound
    return Response(status=202)


urlpatterns = [
    path("notifications", NotesView.as_view(), name="notes"),
    path("notifications/<str:note>", NoteView.as_view(), name="note"),
]
