"""The bytes of the wire: notification objects and changes, rendered from rows.

A row's bytes are a function of the row alone, so they are the same live, resumed and polled (invariant I4).
All output is one line of ASCII JSON; ``data`` is spliced in as it is stored.
"""

from __future__ import annotations

import hashlib
import json
import logging
from datetime import datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Any, Final, NamedTuple
from uuid import UUID

from notifications.change_kinds import CHANGE_NAMES, KINDS, Carries
from notifications.event_types import route_of
from notifications.exceptions import InvalidInput
from notifications.protocol.cursors import cursor_text
from notifications.protocol.links import NO_ACTIONS, Action, actions_text, stored_actions
from notifications.protocol.strict_json import refuse_constant

logger = logging.getLogger(__name__)

_text: Final = encode_basestring_ascii
# Events whose rendered text is kept, so that one to very many users is rendered once; at most some megabytes.
MAX_EVENTS: Final = 32


def inbox_name(user_id: Any) -> str:
    """Return the name of a user's inbox on the wire: 16 hexadecimal digits, the same in every answer.

    By it the clients in one browser know whose inbox an answer is about. It is not secret, though told to the
    user alone: whoever guesses a primary key can work it out. If it depended on SECRET_KEY, every open page
    would take itself for signed out when the key is rotated.

    Args:
        user_id: primary key of the user.
    """
    return hashlib.blake2b(str(user_id).encode(), digest_size=8, person=b"hub inbox").hexdigest()


class NotificationRow(NamedTuple):
    """A notification in its present state."""

    public_id: UUID
    position: int
    type: str
    category: str
    topic: str
    level: str
    title: str
    body: str
    url: str
    actor: str
    actions: str
    data: str
    created_at: datetime
    expires_at: datetime | None
    replay_of: UUID | None
    read_at: datetime | None = None
    archived_at: datetime | None = None

    @property
    def shown_actions(self) -> list[Action]:
        """The actions as its recipient sees them."""
        return actions_of(self.actions, self.type)


class ChangeRow(NamedTuple):
    """A change with the state of its notification after it, and what notification and event have for good.

    All of that is None for ``read_all``; ``read_category`` and ``up_to`` are those of ``read_all`` alone.
    Times and ids are texts of the wire.
    """

    inbox_id: Any
    position: int
    kind: str
    at: str
    unread_count: int
    up_to: int | None
    read_category: str
    reason: str
    created_position: int | None
    created_at: str | None
    public_id: str | None
    replay_of: str | None
    type: str | None
    category: str | None
    topic: str | None
    level: str | None
    title: str | None
    body: str | None
    url: str | None
    actor: str | None
    actions: str | None
    data: str | None
    expires_at: str | None
    read_at: str | None = None
    archived_at: str | None = None


def timestamp(at: datetime) -> str:
    """Return a time as UTC with six decimals and ``Z``; ``at`` is aware and in UTC, as Django loads it."""
    return at.isoformat(timespec="microseconds")[:26] + "Z"


def notification_json(row: NotificationRow) -> bytes:
    """Return the notification object of the protocol's section 4."""
    return _notification(
        row,
        position=row.position,
        created_at=_time(row.created_at),
        read_at=_time(row.read_at),
        archived_at=_time(row.archived_at),
        expires_at=_time(row.expires_at),
    ).encode("ascii")


def change_json(row: ChangeRow, epoch: str) -> bytes:
    """Return a change: the ``data`` of its frame, and its element of ``changes``."""
    head = (
        f'{{"change":"{CHANGE_NAMES[row.kind]}","cursor":"{cursor_text(epoch, row.position)}",'
        f'"position":{row.position},"at":"{row.at}","unread_count":{row.unread_count},'
    )
    return (head + _subject(row) + "}").encode("ascii")


def note_json(row: NotificationRow) -> bytes:
    """Return a notification as the Range dialect of section 5 has it."""
    return _note(row, created_at=_time(row.created_at), is_read=row.read_at is not None).encode("ascii")


def signal_json(row: ChangeRow) -> bytes:
    """Return the ``data`` of a created change's frame on the dialect's stream: a KERI signal."""
    route = _text(route_of(row.type or ""))
    attributes = _attributes(row.data or "", row.title or "", row.body or "", row.url or "", row.type or "")
    return f'{{"i":"{row.public_id}","dt":{_quoted(row.created_at)},"r":{route},"a":{attributes}}}'.encode(
        "ascii"
    )


@lru_cache(maxsize=MAX_EVENTS)
def _attributes(data: str, title: str, body: str, url: str, type_: str) -> str:
    """Return the fields of ``data``, and of title, body and url those that ``data`` has not."""
    text = _data(data, type_)
    own = json.loads(text)
    texts = {"title": title, "body": body, "url": url}
    more = ",".join(f'"{name}":{_text(value)}' for name, value in texts.items() if name not in own)
    return f"{text.rstrip()[:-1]}{',' if own and more else ''}{more}}}"


def _note(row: Any, *, created_at: str | None, is_read: bool) -> str:
    return (
        f'{{"i":"{row.public_id}","dt":{_quoted(created_at)},"r":{"true" if is_read else "false"},'
        f'"a":{{"r":{_text(route_of(row.type))},"d":{_data(row.data, row.type)},'
        f'"title":{_text(row.title)}}}}}'
    )


def _subject(row: ChangeRow) -> str:
    carries = KINDS[row.kind].carries
    if carries is Carries.NOTHING:
        return f'"up_to":{row.up_to},"category":{_text(row.read_category) if row.read_category else "null"}'
    if carries is Carries.ID:
        return f'"notification":{{"id":"{row.public_id}"}},"reason":"{row.reason}"'
    whole = _notification(
        row,
        position=row.created_position,
        created_at=row.created_at,
        read_at=row.read_at,
        archived_at=row.archived_at,
        expires_at=row.expires_at,
    )
    return f'"notification":{whole}'


def _notification(
    row: Any,
    *,
    position: int | None,
    created_at: str | None,
    read_at: str | None,
    archived_at: str | None,
    expires_at: str | None,
) -> str:
    event = _event(
        row.type,
        row.category,
        row.topic,
        row.level,
        row.title,
        row.body,
        row.url,
        row.actor,
        row.actions,
        row.data,
    )
    return (
        f'{{"id":"{row.public_id}","position":{position},{event},"created_at":{_quoted(created_at)},'
        f'"read_at":{_quoted(read_at)},"archived_at":{_quoted(archived_at)},"expires_at":{_quoted(expires_at)},'
        f'"replay_of":{_quoted(row.replay_of)}}}'
    )


@lru_cache(maxsize=MAX_EVENTS)
def _event(
    type_: str,
    category: str,
    topic: str,
    level: str,
    title: str,
    body: str,
    url: str,
    actor: str,
    actions: str,
    data: str,
) -> str:
    """Return what the notifications of one event have in common, rendered once for all recipients."""
    return (
        f'"type":{_text(type_)},"category":{_text(category)},"topic":{_text(topic)},"level":{_text(level)},'
        f'"title":{_text(title)},"body":{_text(body)},"url":{_text(url)},"actor":{_text(actor)},'
        f'"actions":{_actions(actions, type_)},"data":{_data(data, type_)}'
    )


def _time(at: datetime | None) -> str | None:
    return timestamp(at) if at else None


def _quoted(text: object) -> str:
    """Return a text that needs no escapes as JSON, or ``null`` without one."""
    return f'"{text}"' if text else "null"


def _data(text: str, type_: str) -> str:
    """Return the stored data, or an empty object if somebody rewrote it past the services and broke it.

    A bad row must break nothing but itself (I18).
    """
    try:
        return data_as_json(text)
    except ValueError:
        logger.exception("An event of type %s is shown without its data, which is not valid JSON", type_)
        return "{}"


def _actions(text: str, type_: str) -> str:
    """Return the stored actions as the services would write them."""
    return text if text == NO_ACTIONS else actions_text(actions_of(text, type_))


def actions_of(text: str, type_: str) -> list[Action]:
    """Return an event's actions; none if somebody rewrote them past the services and broke them."""
    try:
        return stored_actions(text)
    except InvalidInput:
        logger.exception("An event of type %s is shown without its actions, which are not valid", type_)
        return []


def data_as_json(text: str) -> str:
    """Return an event's stored ``data`` as one line of ASCII JSON.

    Raises:
        ValueError: it is not the JSON of an object, which can only be if it was written past the services.
    """
    try:
        value = json.loads(text, parse_constant=refuse_constant)
        if not isinstance(value, dict):
            raise ValueError("data is not an object")
        if text.isascii() and "\n" not in text and "\r" not in text:
            return text
        return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from error
