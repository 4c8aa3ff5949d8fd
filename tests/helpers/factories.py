"""What tests make over and over: users, and notifications sent to them through the services."""

from __future__ import annotations

from datetime import datetime
from itertools import count
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User

from notifications import services
from notifications.event_types import UntypedEvent
from notifications.models import Notification

_numbers = count(1)


def make_user(username: str = "", **fields: Any) -> User:
    """A saved user; its password is its name."""
    username = username or f"user{next(_numbers)}"
    user: User = get_user_model()._default_manager.create_user(username, password=username, **fields)
    return user


def order_event(number: int = 7, *, type_name: str = "orders.order.shipped") -> UntypedEvent:
    """An event of a type that no class declares."""
    return UntypedEvent(type_name=type_name, fields={"order_id": number})


def send(user: User, title: Any = "Your order is on its way", **options: Any) -> UUID:
    """Notify a user of an order; returns the public id."""
    return services.notify(user, options.pop("event", order_event()), title=title, **options)


def stage_at(public_id: UUID, at: datetime) -> UUID:
    """Have a notification and its event staged at a time; returns the new public id, which says so as any
    UUIDv7 does.
    """
    row = Notification.objects.select_related("event").get(public_id=public_id)
    row.event.created_at = at
    row.event.save(update_fields=["created_at"])
    rest = public_id.int & ((1 << 76) - 1)
    row.public_id = UUID(int=int(at.timestamp() * 1000) << 80 | 7 << 76 | rest)
    row.save(update_fields=["public_id"])
    return row.public_id
