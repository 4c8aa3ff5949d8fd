"""What tests make over and over: users, and notifications sent to them through the services."""

from __future__ import annotations

from itertools import count
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User

from notifications import services
from notifications.events import UntypedEvent

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
