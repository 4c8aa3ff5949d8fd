"""Answer a request once for each idempotency key, and give the first answer again (protocol, section 5).

The key's row is inserted before the work and in its transaction. A second request waits at the unique index
on PostgreSQL, at the write lock on SQLite. Once the first has committed, the second finds its answer; if the
first was rolled back, or its process died, the second does the work.
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
    """The answer to a request.

    Attributes:
        status: the HTTP status.
        body: JSON text.
        location: the address of a job that goes on; empty when the work is done.
    """

    status: int
    body: str
    location: str = ""


class IdempotentRequest(NamedTuple):
    """A request with its idempotency key, which belongs to a producer and path, and goes with one body."""

    producer_id: Any
    path: str
    key: str
    body: Any


class _KeyExists(Exception):
    """There is a row with this key already."""


def answer_once(request: IdempotentRequest, work: Callable[[], Answer]) -> tuple[Answer, bool]:
    """Do the work of a request, unless it was done already; return the answer.

    Transaction: its own, which the work is part of; whatever the work raises rolls everything back and leaves
    no key. Costs three statements more than the work; to give an answer again costs three in all.

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
            earlier = IdempotencyKey.objects.filter(
                producer_id=request.producer_id, path=request.path, key=request.key
            ).first()
        if earlier is None:
            continue  # the sweeper has removed it in this moment
        if earlier.fingerprint != fingerprint:
            raise IdempotencyKeyReused
        return Answer(earlier.status, earlier.body, earlier.location), True


def fingerprint_of(body: Any) -> str:
    """Return a digest that is the same for bodies that are the same JSON value.

    The order of their keys and the spelling of their numbers do not matter.
    """
    canonical = orjson.dumps(_plain(body), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(canonical).hexdigest()


def remove_idempotency_keys(cutoff: datetime) -> int:
    """Remove keys that came before a time, 5,000 at most; return the number. Two statements at most."""
    old = IdempotencyKey.objects.filter(created_at__lt=cutoff).order_by("created_at", "pk")
    keys = list(old.values_list("pk", flat=True)[:MAX_REMOVED])
    return IdempotencyKey.objects.filter(pk__in=keys).delete()[0] if keys else 0


def _answer_first(request: IdempotentRequest, fingerprint: str, work: Callable[[], Answer]) -> Answer:
    is_inserted = False
    try:
        with transaction_that_waits(WAIT_SECONDS):
            row = _insert_key(request, fingerprint)
            is_inserted = True
            answer = work()
            row.status, row.body, row.location = answer
            row.save(update_fields=["status", "body", "location"])
        return answer
    except OperationalError as error:
        if is_inserted or not is_lock_timeout(error):
            raise
        raise IdempotencyInProgress from error


def _insert_key(request: IdempotentRequest, fingerprint: str) -> IdempotencyKey:
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
    """Return a value with whole numbers as integers: 1.0 and 1e0 are the JSON value 1."""
    match value:
        case float() if value.is_integer() and -_MAX_EXACT <= value < _MAX_EXACT:
            return int(value)
        case dict():
            return {name: _plain(item) for name, item in value.items()}
        case list():
            return [_plain(item) for item in value]
    return value
