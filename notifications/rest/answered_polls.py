"""Records the answers to polls for the staff's timelines: what each client got and came back with."""

from __future__ import annotations

from django.utils.http import parse_etags
from rest_framework.request import Request

from notifications.exceptions import MalformedCursor
from notifications.http.user_agents import printable_agent
from notifications.models import EndReason
from notifications.protocol.cursors import Cursor
from notifications.rest.http.authentication import token_of
from notifications.rest.inputs import ChangesQuery, ListQuery
from notifications.selectors import InboxState, Page
from notifications.services import AnsweredPoll, Poller, note_answer
from notifications.system.addresses import normal_address


def note_changes(request: Request, query: ChangesQuery, inbox: InboxState, position: int) -> None:
    """Record that a client was answered with the changes after its cursor and up to ``position``."""
    if query.after is None:
        return
    note_answer(
        AnsweredPoll(
            poller=_poller(request),
            reason=EndReason.ANSWERED,
            filters=str(query.filters),
            epoch=inbox.epoch,
            start=query.after.position,
            position=position,
            is_return=True,
        )
    )


def note_list(request: Request, query: ListQuery, page: Page) -> None:
    """Record that a client was answered with a part of the list.

    A search, and a list of what is unread or archived, are not recorded, because the record could not say
    what was in them.
    """
    if query.words is not None or query.unread_only or query.archived or not page.rows:
        return
    note_answer(
        AnsweredPoll(
            poller=_poller(request),
            reason=EndReason.LISTED,
            filters=str(query.filters),
            epoch=page.cursor.epoch,
            start=0 if page.next_before is None else page.next_before - 1,
            position=page.cursor.position if query.before is None else query.before - 1,
            is_return=False,
        )
    )


def note_etag(request: Request, inbox: InboxState) -> None:
    """Record that the client has the list as of its ETag, whatever it is answered now."""
    for etag in parse_etags(request.headers.get("If-None-Match", "")):
        try:
            cursor = Cursor.parse(etag.removeprefix("W/").strip('"'))
        except MalformedCursor:
            continue
        if cursor.epoch == inbox.epoch and cursor.position <= inbox.head:
            note_answer(
                AnsweredPoll(
                    poller=_poller(request),
                    reason=EndReason.LISTED,
                    filters="",
                    epoch=cursor.epoch,
                    start=cursor.position,
                    position=cursor.position,
                    is_return=True,
                )
            )
            return


def _poller(request: Request) -> Poller:
    token = token_of(request)
    return Poller(
        user_id=request.user.pk,
        token_id=token.pk if token else None,
        agent=printable_agent(request.headers.get("User-Agent", "")),
        address=normal_address(request.META.get("REMOTE_ADDR") or ""),
    )
