"""What the inbox page takes from a browser: its filters, and the actions of one that runs no script."""

from __future__ import annotations

from typing import Any, Final

from django import forms

from notifications import services
from notifications.filters import Filters
from notifications.services import Origin

# Far above any position, and within what the databases' integers hold.
MAX_POSITION: Final = 10**15


class InboxForm(forms.Form):
    """Which part of the inbox is shown; an address that somebody kept may ask for what there is not."""

    category = forms.RegexField(r"\A[a-z][a-z0-9_]{0,99}\Z", required=False)
    unread = forms.BooleanField(required=False)
    archived = forms.BooleanField(required=False)
    before = forms.IntegerField(required=False, min_value=1, max_value=MAX_POSITION)

    def selection(self) -> dict[str, Any]:
        """Arguments for ``selectors.list_page``; fields that are not valid count as not given."""
        self.is_valid()
        given = self.cleaned_data
        category = given.get("category")
        return {
            "filters": Filters(categories=frozenset([category] if category else [])),
            "unread_only": bool(given.get("unread")),
            "archived": bool(given.get("archived")),
            "before": given.get("before"),
        }


class OneForm(forms.Form):
    """An action on one notification."""

    id = forms.UUIDField()

    def apply(self, user: Any, action: str, origin: Origin) -> None:
        """Do it; one that is gone, or somebody else's, is passed over."""
        services.ACTIONS[action](user, [self.cleaned_data["id"]], origin=origin)


class AllForm(forms.Form):
    """Mark all read that the page showed, or was about to show."""

    up_to = forms.IntegerField(min_value=0, max_value=MAX_POSITION)
    category = InboxForm.base_fields["category"]

    def apply(self, user: Any, action: str, origin: Origin) -> None:
        """Do it; what arrived after the page was rendered stays unread."""
        services.mark_all_read(user, origin=origin, **self.cleaned_data)


FORMS: Final[dict[str, type[OneForm | AllForm]]] = {
    **dict.fromkeys(services.ACTIONS, OneForm),
    "read_all": AllForm,
}
