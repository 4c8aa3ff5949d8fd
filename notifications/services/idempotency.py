"""One key, one piece of work: a producer that sends a request again gets the first answer again (protocol,
section 5).

The key's row is inserted before the work and in its transaction. Whoever comes second waits at the unique
index on PostgreSQL, at the write lock on SQLite; once the first has committed they find its answer, and if it
was rolled back, or its process died, they do the work.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, NamedTuple

import orjson
from django.db import IntegrityError, OperationalError
from django.utils import timezone

from notifications.exceptions import IdempotencyInProgress, IdempotencyKeyReused
from notifications.models import IdempotencyKey
from notifications.sql.locks import is_lock_timeout, transaction_that_waits

WAIT_SECONDS: Final = 5
MAX_REMOVED: Final = 5_000  # in one sweep: more than any process answers in the meantime
_MAX_EXACT: Final = 2**63


class Answer(NamedTuple):
    """What a request was answered.

    Attributes:
        status: of HTTP.
        body: JSON text.
        location: where the work goes on; empty when it is done.
    """

    status: int
    body: str
    location: str = ""


class IdempotentRequest(NamedTuple):
    """By what a request is known again: the key belongs to its producer and path, and goes with one body."""

    producer_id: Any
    path: str
    key: str
    body: Any


class _KeyExists(Exception):
    """The key has a row already."""


def answer_once(request: IdempotentRequest, work: Callable[[], Answer]) -> tuple[Answer, bool]:
    """Do the work of a request, unless it was done already.

    Transaction: its own, which the work is part of; whatever the work raises rolls everything back and leaves
    no key. Costs three statements more than the work; the first answer again costs three in all.

    Args:
        request: the key and what it goes with.
        work: makes the answer; what it announces, it must announce on commit.

    Returns:
        The answer, and whether it is an earlier one.

    Raises:
        IdempotencyKeyReused: the key came with another body.
        IdempotencyInProgress: the same request is still being worked on after five seconds.
    """
    fingerprint = fingerprint_of(request.body)
    while True:
        try:
            return _answer_first(request, fingerprint, work), False
        except _KeyExists:
            known = IdempotencyKey.objects.filter(
                producer_id=request.producer_id, path=request.path, key=request.key
            ).first()
        if known is None:
            continue  # forgotten by the sweeper in this very moment
        if known.fingerprint != fingerprint:
            raise IdempotencyKeyReused
        return Answer(known.status, known.body, known.location), True


def fingerprint_of(body: Any) -> str:
    """The same for bodies that are the same JSON value, whatever the order of their keys or the spelling of
    their numbers.
    """
    canonical = orjson.dumps(_plain(body), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(canonical).hexdigest()


def remove_idempotency_keys(cutoff: datetime) -> int:
    """Remove keys that came before a time, 5,000 at most; returns how many. Two statements at most."""
    old = IdempotencyKey.objects.filter(created_at__lt=cutoff).order_by("created_at", "pk")
    keys = list(old.values_list("pk", flat=True)[:MAX_REMOVED])
    return IdempotencyKey.objects.filter(pk__in=keys).delete()[0] if keys else 0


def _answer_first(request: IdempotentRequest, fingerprint: str, work: Callable[[], Answer]) -> Answer:
    is_claimed = False
    try:
        with transaction_that_waits(WAIT_SECONDS):
            row = _claim(request, fingerprint)
            is_claimed = True
            answer = work()
            row.status, row.body, row.location = answer
            row.save(update_fields=["status", "body", "location"])
        return answer
    except OperationalError as error:
        if is_claimed or not is_lock_timeout(error):
            raise
        raise IdempotencyInProgress from error


def _claim(request: IdempotentRequest, fingerprint: str) -> IdempotencyKey:
    row = IdempotencyKey(
        producer_id=request.producer_id,
        path=request.path,
        key=request.key,
        fingerprint=fingerprint,
        created_at=timezone.now(),
    )
    try:
        row.save(force_insert=True)
    except IntegrityError:
        raise _KeyExists from None
    return row


def _plain(value: Any) -> Any:
    """With whole numbers as integers: 1.0 and 1e0 are the JSON value 1."""
    match value:
        case float() if value.is_integer() and -_MAX_EXACT <= value < _MAX_EXACT:
            return int(value)
        case dict():
            return {name: _plain(item) for name, item in value.items()}
        case list():
            return [_plain(item) for item in value]
    return value
