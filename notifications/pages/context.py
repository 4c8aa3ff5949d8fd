"""What the templates show, read through the selectors."""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from django.contrib.auth import get_user_model

from notifications import selectors, services
from notifications.demo.users import DEMO_USERS
from notifications.events import category_of
from notifications.pages.forms import InboxForm
from notifications.pages.strings import STRINGS

PAGE_SIZE: Final = 25


def inbox_context(user: Any, form: InboxForm) -> dict[str, Any]:
    """One page of a user's inbox. Three queries when the inbox exists.

    Args:
        user: whose inbox it is.
        form: the filters, bound to the query string.
    """
    services.open_inbox(user.pk)
    selection = form.selection()
    page = selectors.list_page(user.pk, limit=PAGE_SIZE, **selection)
    unread = selectors.counts(user.pk).by_category
    chosen = next(iter(selection["filters"].categories), "")
    return {
        "page": page,
        "items": [{"row": row, "category": category_of(row.type)} for row in page.rows],
        "categories": {name: unread.get(name, 0) for name in sorted({*unread, chosen} - {""})},
        "chosen_category": chosen,
        "unread_only": selection["unread_only"],
        "archived": selection["archived"],
        "strings": STRINGS,
    }


def demo_usernames() -> list[str]:
    """The demo users that exist, whose passwords are their names; none outside of development."""
    if not settings.DEBUG:
        return []
    users = get_user_model()
    names = [user.name for user in DEMO_USERS]
    found = users._default_manager.filter(**{f"{users.USERNAME_FIELD}__in": names})
    return sorted(found.values_list(users.USERNAME_FIELD, flat=True))
