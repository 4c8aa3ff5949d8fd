"""The context of the inbox page, read through the selectors."""

from __future__ import annotations

from typing import Any, Final

from notifications import selectors, services
from notifications.pages.forms import InboxForm
from notifications.pages.strings import STRINGS

PAGE_SIZE: Final = 25


def inbox_context(user: Any, form: InboxForm) -> dict[str, Any]:
    """Return one page of a user's inbox. Three queries when the inbox exists.

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
        "categories": {name: unread.get(name, 0) for name in sorted({*unread, chosen} - {""})},
        "chosen_category": chosen,
        "unread_only": selection["unread_only"],
        "archived": selection["archived"],
        "strings": STRINGS,
    }
