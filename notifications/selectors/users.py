"""Who may come in: reads of users and of what they show instead of a password."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model

from notifications.models import ApiToken


def active_user(**key: Any) -> Any | None:
    """The user with this key (``pk``, or the field of the username); None when there is none or is not active. One query."""
    user: Any = get_user_model()._default_manager.filter(**key).first()
    return user if user is not None and user.is_active else None


def is_token_usable(token_id: Any, now: datetime) -> bool:
    """Whether an API token opens anything at ``now``. One query."""
    token = ApiToken.objects.select_related("user").filter(pk=token_id).first()
    return token is not None and token.is_usable(now)
