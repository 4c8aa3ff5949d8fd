"""Async twins of the services, for async views and consumers: the same arguments, results and guarantees.

Each runs its twin in Django's thread for synchronous code, so a transaction that the caller holds there
includes it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import sync_to_async

from notifications.services.broadcast import broadcast
from notifications.services.notify import notify, notify_many
from notifications.services.state import archive, delete, mark_all_read, mark_read, mark_unread, unarchive
from notifications.services.transient.emit import emit
from notifications.services.withdraw import withdraw

P = ParamSpec("P")
R = TypeVar("R")


def _twin(service: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    return sync_to_async(service, thread_sensitive=True)


anotify = _twin(notify)
abroadcast = _twin(broadcast)
anotify_many = _twin(notify_many)
amark_read = _twin(mark_read)
amark_unread = _twin(mark_unread)
aarchive = _twin(archive)
aunarchive = _twin(unarchive)
amark_all_read = _twin(mark_all_read)
adelete = _twin(delete)
aemit = _twin(emit)
awithdraw = _twin(withdraw)
