"""API tokens for tests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from notifications import services
from notifications.models import ApiToken
from notifications.services import NewToken


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
