"""Record the answers to polls: the proof of delivery for clients that hold no stream open.

An answer costs no write of its own. It is noted in memory, and the sweeper writes what was noted, some
hundred rows in one statement, within ``sweep_seconds``. Answers that were noted and not written when a
process is killed are lost: then the record claims less than there was.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.utils import timezone

from notifications.models import EndReason, OpenedBy, StreamSession
from notifications.models.columns import new_public_id
from notifications.protocol.cursors import Cursor

logger = logging.getLogger(__name__)

MAX_NOTED: Final = 5_000  # answers that may wait to be written; further ones go unrecorded
# The last cursor of so many clients is kept, so that a client that comes back with it again adds no row.
MAX_POLLERS: Final = 10_000
CHUNK: Final = 500


class Poller(NamedTuple):
    """A client that polls, as far as its requests identify it."""

    user_id: Any
    token_id: Any
    agent: str
    address: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class AnsweredPoll:
    """An answer to a poll or a list request.

    Attributes:
        poller: the client that got it.
        reason: ``answered`` for changes, ``listed`` for a list.
        filters: as text.
        epoch: of the inbox.
        start, position: it had all changes after ``start`` and up to ``position`` that the filters admit.
        is_return: the client came with the cursor ``start``, so it has had everything up to there.
    """

    poller: Poller
    reason: EndReason
    filters: str
    epoch: str
    start: int
    position: int
    is_return: bool


_noted: deque[tuple[UUID, Any, AnsweredPoll]] = deque()
_last_cursors: OrderedDict[Poller, Cursor] = OrderedDict()
_lock = threading.Lock()
_is_full = False


def note_answer(answer: AnsweredPoll) -> None:
    """Note an answer, to be written by the sweeper. No statement, and no wait.

    An answer that says nothing new is left out: one without a change, to a client that came back with the
    same cursor as before.
    """
    global _is_full
    cursor = Cursor(answer.epoch, answer.start)
    with _lock:
        is_new = answer.is_return and _last_cursors.get(answer.poller) != cursor
        if is_new:
            _last_cursors[answer.poller] = cursor
            _last_cursors.move_to_end(answer.poller)
            if len(_last_cursors) > MAX_POLLERS:
                _last_cursors.popitem(last=False)
        if answer.position <= answer.start and not is_new:
            return
        is_lost = len(_noted) >= MAX_NOTED
        if is_lost and not _is_full:
            logger.warning("More polls are answered than can be put on record; some are left out")
        _is_full = is_lost
        if not is_lost:
            _noted.append((new_public_id(), timezone.now(), answer))


def write_answers() -> int:
    """Write the answers that were noted; return the number.

    Transaction: its own for each ``CHUNK``; two statements each.
    """
    written = 0
    while _noted:
        part = [_noted.popleft() for _ in range(min(CHUNK, len(_noted)))]
        try:
            with transaction.atomic():
                written += _write(part)
        except IntegrityError:
            # A user was deleted in this moment. It is not worth a second try: the record claims less, and
            # nothing wrong.
            logger.info("%d answers to polls were not put on record: a user is gone", len(part))
    return written


def _write(part: list[tuple[UUID, Any, AnsweredPoll]]) -> int:
    user_ids = {answer.poller.user_id for _, _, answer in part}
    users = get_user_model()._default_manager.filter(pk__in=user_ids)
    existing = set(users.values_list("pk", flat=True))
    rows = [
        StreamSession(
            id=key,
            user_id=answer.poller.user_id,
            worker_id=None,
            agent=answer.poller.agent,
            address=answer.poller.address,
            opened_by=OpenedBy.TOKEN if answer.poller.token_id else OpenedBy.SESSION,
            token_id=answer.poller.token_id,
            filters=answer.filters,
            resume="exact" if answer.is_return else "none",
            epoch=answer.epoch,
            start_position=answer.start,
            position=answer.position,
            opened_at=at,
            closed_at=at,
            reason=answer.reason,
        )
        for key, at, answer in part
        if answer.poller.user_id in existing
    ]
    StreamSession.objects.bulk_create(rows)
    return len(rows)
