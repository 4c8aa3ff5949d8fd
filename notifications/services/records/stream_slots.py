"""Open streams: each takes one of its user's slots, and is put on record.

A slot is taken under the lock of the user's inbox, so that the limit (``max_streams_per_user``) holds over
all workers. The statements are SQL, because opening is the one call that every stream waits for, thousands at
once after a restart: through the ORM it took three times as long.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from notifications.conf import hub_config
from notifications.exceptions import StreamLimit, UserGone
from notifications.inbox_log.inboxes import announce_streams_on_commit, lock_statements, open_inbox
from notifications.models import EndReason, Inbox, OpenedBy, StreamSession, Worker
from notifications.selectors import InboxState
from notifications.services.records.streams import session_digest
from notifications.sql.dialect import ago, now, table
from notifications.sql.statements import Statement, run_at_once


@dataclass(frozen=True, kw_only=True, slots=True)
class NewStream:
    """A stream that is about to be opened.

    Attributes:
        id: its key, a UUIDv7.
        user_id: whose it is.
        client: the name of its tab or device; None without one.
        agent, address: of the client; an empty agent and None where they are not known.
        opened_by: by what kind of credential.
        token_id: of the token, if there is one.
        session_key: of the session, if there is one. A secret, of which only a digest is kept.
        filters: as text.
    """

    id: UUID
    user_id: Any
    client: UUID | None = None
    agent: str = ""
    address: str | None = None
    opened_by: OpenedBy = OpenedBy.SESSION
    token_id: Any = None
    session_key: str | None = None
    filters: str = ""


class OpenedStream(NamedTuple):
    """An opened stream: the inbox as it was then, and the keys of the streams that this one replaces."""

    inbox: InboxState
    replaced: list[UUID]


def open_stream(
    new: NewStream, worker: Worker, plan_resume: Callable[[InboxState], tuple[str, int]]
) -> OpenedStream:
    """Take a slot for a stream, and put the stream on record.

    Another stream of the same user and ``client`` is replaced: its slot is free at once, and after the commit
    every process is told to look, so that it ends.

    The inbox is read before its lock is taken. The stream is told what happens to it in between, as it is
    told what happens right after.

    Transaction: its own, short, under the lock of the inbox. Two trips on PostgreSQL, of one and four
    statements; three statements on SQLite. One more to replace a stream.

    Args:
        new: the stream.
        worker: the process that serves it.
        plan_resume: returns, for the inbox as it is, how the stream resumes (``resume`` of ``stream.open``)
            and after which position.

    Raises:
        StreamLimit: the user has ``max_streams_per_user`` others; nothing was changed.
        UserGone: the user was deleted a moment ago.
        OperationalError: the inbox was locked for longer than ``lock_timeout_seconds``.
    """
    state = open_inbox(new.user_id)
    slot, lock = _free_slot(new), lock_statements(new.user_id)
    replacement = [_replacement(new, slot)] if new.client is not None else []
    insertion = _insertion(new, worker, state, *plan_resume(state), slot=slot)
    found, *replaced, made = run_at_once([*lock, *replacement, insertion])[len(lock) - 1 :]
    if not found:
        raise UserGone
    if not made:
        raise StreamLimit
    keys = [_key(key) for rows in replaced for (key,) in rows]
    if keys:
        announce_streams_on_commit([new.user_id])
    return OpenedStream(state, keys)


class _FreeSlot(NamedTuple):
    """The condition, with its parameters, that a user has a slot free.

    Open streams count if their process has shown a sign of life of late, but for one of the same ``client``.
    """

    condition: str
    params: list[Any]


def _free_slot(new: NewStream) -> _FreeSlot:
    config = hub_config()
    lost_at, seconds = ago(config.worker_lost_seconds)
    params = [seconds, _prepared("user", new.user_id)]
    others = ""
    if new.client is not None:
        others = "AND (s.client IS NULL OR s.client <> %s)"
        params.append(_prepared("client", new.client))
    return _FreeSlot(
        f"""(SELECT COUNT(*) FROM {table(StreamSession)} s
             JOIN {table(Worker)} w ON w.id = s.worker_id AND w.ended_at IS NULL AND w.seen_at > {lost_at}
             WHERE s.user_id = %s AND s.closed_at IS NULL {others}) < %s""",  # noqa: S608 (no input)
        [*params, config.max_streams_per_user],
    )


def _replacement(new: NewStream, slot: _FreeSlot) -> Statement:
    """Return the statement that closes the stream of the same client, and returns its key."""
    reason = EndReason.REPLACED.value
    return Statement(
        f"""UPDATE {table(StreamSession)} SET closed_at = {now()}, reason = %s, requested_end = %s
            WHERE user_id = %s AND closed_at IS NULL AND client = %s AND {slot.condition} RETURNING id""",  # noqa: S608 (no input)
        [reason, reason, _prepared("user", new.user_id), _prepared("client", new.client), *slot.params],
    )


def _insertion(
    new: NewStream, worker: Worker, state: InboxState, resume: str, start: int, *, slot: _FreeSlot
) -> Statement:
    """Return the statement that inserts the stream's row if a slot is free, and returns its key."""
    values = {
        "id": new.id,
        "user": new.user_id,
        "worker": worker.pk,
        "client": new.client,
        "agent": new.agent,
        "address": new.address,
        "opened_by": new.opened_by,
        "token": new.token_id,
        "session_digest": session_digest(new.session_key),
        "filters": new.filters,
        "resume": resume,
        "epoch": state.epoch,
        "start_position": start,
        "position": start,
    }
    columns = ", ".join(str(_field(name).column) for name in values)
    placeholders = ", ".join(["%s"] * len(values))
    return Statement(
        f"""INSERT INTO {table(StreamSession)} ({columns}) SELECT {placeholders} FROM {table(Inbox)}
            WHERE user_id = %s AND {slot.condition} RETURNING id""",  # noqa: S608 (names of columns)
        [
            *(_prepared(name, value) for name, value in values.items()),
            _prepared("user", new.user_id),
            *slot.params,
        ],
    )


def _field(name: str) -> Any:
    return StreamSession._meta.get_field(name)


def _prepared(name: str, value: Any) -> Any:
    return _field(name).get_db_prep_save(value, connection)


def _key(stored: Any) -> UUID:
    return stored if isinstance(stored, UUID) else UUID(stored)
