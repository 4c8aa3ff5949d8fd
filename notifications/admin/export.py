"""A filtered list as a file, CSV or JSON, written as it is read: of any length, in constant memory."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast

from asgiref.sync import sync_to_async
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.handlers.asgi import ASGIRequest
from django.db.models import F, OuterRef, Subquery
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from notifications.admin.criteria import Criteria
from notifications.admin.rights import can
from notifications.admin.search import username_field
from notifications.admin.states import state_of
from notifications.admin.walk import iterate
from notifications.models import Change, ChangeKind, Notification

CHUNK: Final = 500
FORMATS: Final = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
CONTENT: Final = ("title", "body", "url", "actor", "data")
COLUMNS: Final = (
    "id", "recipient", "type", "category", "topic", "level", "state", "sent_at", "sent_by", "created_at", "position",
    "read_at", "deleted_at", "reason", "deliver_at", "expires_at", "collapse_key", "replay_of",
)  # fmt: skip
# What a spreadsheet takes for a formula, after blanks too; and what would hide such a sign from us.
_FORMULA: Final = tuple("=+-@\t\r\n|%\uff1d\uff0b\uff0d\uff20")

Record = dict[str, Any]


def export(request: HttpRequest, criteria: Criteria, file_format: str) -> StreamingHttpResponse:
    """The file. One with content for those who may see it; for others its columns are not there."""
    columns = COLUMNS + CONTENT if can(request, "view_content") else COLUMNS
    write = {"csv": _csv, "json": _json}[file_format]
    texts = write(columns, (records(keys, columns) for keys in iterate(criteria, size=CHUNK)))
    body: Any = _in_thread(texts) if isinstance(request, ASGIRequest) else texts
    name = timezone.now().strftime(f"notifications-%Y-%m-%d-%H%M%S.{file_format}")
    return StreamingHttpResponse(
        body,
        content_type=FORMATS[file_format],
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


def log_export(request: HttpRequest, file_format: str) -> None:
    """Put it on record who took out what: by which filters, and whether with content."""
    what = "&".join(f"{name}={value}" for name, value in sorted(request.GET.items()) if value) or _("all")
    text = _("Exported as %(format)s, with content: %(what)s.")
    if not can(request, "view_content"):
        text = _("Exported as %(format)s, without content: %(what)s.")
    LogEntry.objects.create(
        user=cast("Any", request.user),
        content_type=ContentType.objects.get_for_model(Notification),
        object_repr=_("notifications"),
        action_flag=CHANGE,
        change_message=text % {"format": file_format.upper(), "what": what},
    )


def records(keys: Sequence[int], columns: Sequence[str]) -> list[Record]:
    """Some notifications, in the order of their keys. One query."""
    reason = Change.objects.filter(notification=OuterRef("pk"), kind=ChangeKind.DELETED).values("reason")[:1]
    rows = Notification.objects.select_related("event").annotate(
        username=F(f"recipient__{username_field()}"), deletion=Subquery(reason)
    )
    if "title" not in columns:
        rows = rows.defer(*(f"event__{name}" for name in CONTENT))
    found = rows.in_bulk(list(keys))
    now = timezone.now()
    return [
        {name: _READ[name](row, now) for name in columns}
        for key in keys
        if (row := found.get(key)) is not None
    ]


_READ: Final[dict[str, Callable[[Any, datetime], Any]]] = {
    "id": lambda row, now: str(row.public_id),
    "recipient": lambda row, now: str(row.username),
    "type": lambda row, now: row.event.type,
    "category": lambda row, now: row.event.type.partition(".")[0],
    "topic": lambda row, now: row.event.topic,
    "level": lambda row, now: row.event.level,
    "state": lambda row, now: str(state_of(row, now).value),
    "sent_at": lambda row, now: _time(row.event.created_at),
    "sent_by": lambda row, now: row.event.source,
    "created_at": lambda row, now: _time(row.created_at),
    "position": lambda row, now: row.position,
    "read_at": lambda row, now: _time(row.read_at),
    "deleted_at": lambda row, now: _time(row.deleted_at),
    "reason": lambda row, now: row.deletion or "",
    "deliver_at": lambda row, now: _time(row.deliver_at),
    "expires_at": lambda row, now: _time(row.event.expires_at),
    "collapse_key": lambda row, now: row.collapse_key,
    "replay_of": lambda row, now: str(row.replay_of) if row.replay_of else None,
    "title": lambda row, now: row.event.title,
    "body": lambda row, now: row.event.body,
    "url": lambda row, now: row.event.url,
    "actor": lambda row, now: row.event.actor,
    "data": lambda row, now: row.event.data,
}


def _csv(columns: Sequence[str], parts: Iterator[list[Record]]) -> Iterator[str]:
    yield _lines([columns])
    for part in parts:
        yield _lines([[harmless(record[name]) for name in columns] for record in part])


def _json(columns: Sequence[str], parts: Iterator[list[Record]]) -> Iterator[str]:
    yield "["
    separator = "\n"
    for part in parts:
        yield separator + ",\n".join(json.dumps(record) for record in part)
        separator = ",\n"
    yield "\n]\n"


def _lines(rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def harmless(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: an apostrophe before it makes it text."""
    if not isinstance(value, str):
        return "" if value is None else value
    return f"'{value}" if value.lstrip(" \u00a0\u200b\ufeff").startswith(_FORMULA) else value


def _time(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None


async def _in_thread(texts: Iterator[str]) -> AsyncIterator[str]:
    """The same under ASGI, where Django would read all of it first."""
    following = sync_to_async(lambda: next(texts, None))
    while (text := await following()) is not None:
        yield text
