"""A filtered list as a file, CSV or JSON, written as it is read: of any length, in constant memory."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from notifications.admin.notification_list.export_runs import AsyncExportParts, ExportRun, Part
from notifications.admin.permissions import can
from notifications.exceptions import InvalidInput
from notifications.payloads import data_as_json
from notifications.protocol.links import actions_text, stored_actions
from notifications.selectors.staff.notification_list.conditions import Conditions
from notifications.selectors.staff.notification_list.keyset_pages import iterate_keys
from notifications.selectors.staff.notification_list.rows import rows_to_export
from notifications.selectors.staff.states import state_of

# Each may have some 70 KB of words and data.
CHUNK: Final = 200
FORMATS: Final = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
CONTENT: Final = ("title", "body", "url", "actor", "actions", "data")
COLUMNS: Final = (
    "id", "recipient", "type", "category", "topic", "level", "state", "sent_at", "sent_by", "created_at",
    "position", "read_at", "deleted_at", "reason", "deliver_at", "expires_at", "collapse_key", "replay_of",
)  # fmt: skip
# What a spreadsheet takes for a formula, after blanks too; and what would hide such a sign from us.
_FORMULA: Final = tuple("=+-@\t\r\n|%\uff1d\uff0b\uff0d\uff20")

Record = dict[str, Any]


def export(request: HttpRequest, conditions: Conditions, file_format: str) -> StreamingHttpResponse:
    """Write the file, and put it on record from the beginning.

    It has the columns with content for those alone who may see content.

    Raises:
        ExportsFull: there may be no further one just now.
    """
    has_content = can(request, "view_content")
    columns = COLUMNS + CONTENT if has_content else COLUMNS
    write, mark = {"csv": (_csv, _csv_mark), "json": (_json, _json_mark)}[file_format]
    run = ExportRun(
        write(columns, (records(keys, columns) for keys in iterate_keys(conditions, size=CHUNK))),
        mark=mark(_("This export failed here and is not complete.")),
        request=request,
        file_format=file_format,
        has_content=has_content,
    )
    body: Any = AsyncExportParts(run) if isinstance(request, ASGIRequest) else run
    name = timezone.now().strftime(f"notifications-%Y-%m-%d-%H%M%S.{file_format}")
    return StreamingHttpResponse(
        body,
        content_type=FORMATS[file_format],
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


def records(keys: Sequence[int], columns: Sequence[str]) -> list[Record]:
    """Some notifications, in the order of their keys. One query."""
    rows = rows_to_export(keys, without=() if "title" in columns else CONTENT)
    now = timezone.now()
    return [{name: _READ[name](row, now) for name in columns} for row in rows]


_READ: Final[dict[str, Callable[[Any, datetime], Any]]] = {
    "id": lambda row, now: str(row.public_id),
    "recipient": lambda row, now: str(row.username),
    "type": lambda row, now: row.event.type,
    "category": lambda row, now: row.event.category,
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
    "actions": lambda row, now: row.event.actions,
    "data": lambda row, now: row.event.data,
}


def _csv(columns: Sequence[str], parts: Iterator[list[Record]]) -> Iterator[Part]:
    yield Part(_lines([columns]))
    for part in parts:
        yield Part(_lines([[harmless(record[name]) for name in columns] for record in part]), len(part))


def _csv_mark(sentence: str) -> str:
    return _lines([[sentence]])


def _json(columns: Sequence[str], parts: Iterator[list[Record]]) -> Iterator[Part]:
    yield Part("[")
    separator = "\n"
    for part in parts:
        yield Part(separator + ",\n".join(_object(record) for record in part), len(part))
        separator = ",\n"
    yield Part("\n]\n")


def _json_mark(sentence: str) -> str:
    """What a JSON file that failed ends with.

    There is no comma before it and no bracket after it, so no parser takes it for a record of the file.
    """
    return f"\n{json.dumps({'error': sentence})}\n"


def _object(record: Record) -> str:
    """Write a record as JSON.

    ``data`` is the object that was sent, with its numbers as they were written, and ``actions`` is a
    list.
    """
    write = {"data": _data, "actions": _actions}
    members = (f"{json.dumps(name)}: {write.get(name, json.dumps)(value)}" for name, value in record.items())
    return f"{{{', '.join(members)}}}"


def _data(text: str) -> str:
    """Show text that is not JSON, because it was written past the services, as the text that it is."""
    try:
        return data_as_json(text)
    except ValueError:
        return json.dumps(text)


def _actions(text: str) -> str:
    """As ``_data``."""
    try:
        return actions_text(stored_actions(text))
    except InvalidInput:
        return json.dumps(text)


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
