"""What tests make over and over: users, producers, API tokens, and notifications sent by the services."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission, User
from django.utils import timezone

from notifications import services
from notifications.event_types import UntypedEvent
from notifications.models import ApiToken, Notification
from notifications.services import NewToken

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


def make_producer(username: str = "shop", **fields: Any) -> User:
    """A user who may send notifications."""
    user = make_user(username, **fields)
    user.user_permissions.add(Permission.objects.get(codename="add_notification"))
    return user


def make_token(user: Any, *scopes: str, name: str = "ci", days: float = 1, **limits: Any) -> NewToken:
    """A token of `user` with these scopes (none: `read` and `inbox`), limited to `types` and `topics`."""
    return services.create_token(
        user,
        name=name,
        scopes=scopes or ("read", "inbox"),
        expires_at=timezone.now() + timedelta(days=days),
        created_by="tests",
        **limits,
    )


def spoil(token: ApiToken, how: str) -> None:
    """Make a token worthless: `revoked`, `expired`, or its user `inactive` or `deleted`."""
    if how == "revoked":
        assert services.revoke_tokens([token.pk]) == 1
    elif how == "expired":
        ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now())
    elif how == "inactive":
        token.user.is_active = False
        token.user.save()
    else:
        assert how == "deleted"
        token.user.delete()


SPOILT = ("revoked", "expired", "inactive", "deleted")
