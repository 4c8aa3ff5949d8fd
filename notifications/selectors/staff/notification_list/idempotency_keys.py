"""What was sent with an idempotency key: read from the answers that are kept with the keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

from notifications.models import Broadcast, IdempotencyKey, Notification

# A key belongs to a producer and a path: several may have used the same one, but not very many.
MAX_ANSWERS: Final = 20
MAX_EVENTS: Final = 1_000


def events_sent_with(key: str) -> list[int]:
    """The events of every request that came with a key in the past 24 hours. Three queries at most."""
    answers = IdempotencyKey.objects.filter(key=key).order_by("-pk").values_list("body", "location")
    notifications: list[UUID] = []
    broadcasts: list[UUID] = []
    for body, location in answers[:MAX_ANSWERS]:
        if location:
            broadcasts += _uuids([location.rstrip("/").rpartition("/")[2]])
        else:
            notifications += _first_of_each(body)
    found = set(Broadcast.objects.filter(pk__in=broadcasts).values_list("event_id", flat=True))
    sent = Notification.objects.filter(public_id__in=notifications[:MAX_EVENTS])
    return sorted(found | set(sent.values_list("event_id", flat=True)))


def _first_of_each(body: str) -> list[UUID]:
    """One notification of each event that an answer names: all of an event have the same."""
    try:
        answer = json.loads(body)
    except ValueError:
        return []
    results: Any = answer.get("results", [answer]) if isinstance(answer, dict) else []
    return list(_uuids(result["ids"][0] for result in results if result.get("ids")))


def _uuids(texts: Any) -> Iterator[UUID]:
    for text in texts:
        try:
            yield UUID(text)
        except ValueError:
            continue
