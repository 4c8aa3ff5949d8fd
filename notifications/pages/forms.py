"""The forms of the inbox page: its filters, and the actions of a browser that runs no script."""

from __future__ import annotations

from typing import Any, Final

from django import forms

from notifications import services
from notifications.filters import Filters
from notifications.services import Provenance

# Far above any position, and within the integers of the databases.
MAX_POSITION: Final = 10**15


class InboxForm(forms.Form):
    """The filters of the inbox page. An old bookmark may ask for values that do not exist."""

    category = forms.RegexField(r"\A[a-z][a-z0-9_]{0,99}\Z", required=False)
    unread = forms.BooleanField(required=False)
    archived = forms.BooleanField(required=False)
    before = forms.IntegerField(required=False, min_value=1, max_value=MAX_POSITION)

    def selection(self) -> dict[str, Any]:
        """Return the arguments for ``selectors.list_page``; fields that are not valid count as not given."""
        self.is_valid()
        given = self.cleaned_data
        category = given.get("category")
        return {
            "filters": Filters(categories=frozenset([category] if category else [])),
            "unread_only": bool(given.get("unread")),
            "archived": bool(given.get("archived")),
            "before": given.get("before"),
        }


class NotificationForm(forms.Form):
    """An action on one notification."""

    id = forms.UUIDField()

    def apply(self, user: Any, action: str, provenance: Provenance) -> None:
        """Carry out the action; a notification that is gone or another user's is ignored."""
        services.ACTIONS[action](user, [self.cleaned_data["id"]], provenance=provenance)


class MarkAllReadForm(forms.Form):
    """Marks read everything that the page showed or was about to show."""

    up_to = forms.IntegerField(min_value=0, max_value=MAX_POSITION)
    category = InboxForm.base_fields["category"]

    def apply(self, user: Any, action: str, provenance: Provenance) -> None:
        """Carry out the action; notifications that arrived after the page was rendered stay unread."""
        services.mark_all_read(user, provenance=provenance, **self.cleaned_data)


FORMS: Final[dict[str, type[NotificationForm | MarkAllReadForm]]] = {
    **dict.fromkeys(services.ACTIONS, NotificationForm),
    "read_all": MarkAllReadForm,
}
