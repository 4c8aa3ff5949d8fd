"""Form fields that name users: looked up, or typed by staff who may not look users up."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib.admin import AdminSite
from django.contrib.admin.widgets import AdminTextareaWidget, AutocompleteSelectMultiple
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from notifications.admin.search import username_field
from notifications.models import Notification

MAX_NAMED: Final = 500
_SHOWN_NAMES: Final = 5


class UsernamesField(forms.CharField):
    """Users by their exact usernames, one on each line, or separated by commas."""

    def clean(self, value: Any) -> list[Any]:
        """The users, in the order of their names."""
        text = super().clean(value)
        names = list(dict.fromkeys(filter(None, (part.strip() for part in re.split(r"[\n\r,]+", text)))))
        if len(names) > MAX_NAMED:
            raise forms.ValidationError(_too_many())
        users = list(get_user_model()._default_manager.filter(**{f"{username_field()}__in": names}))
        known = {user.get_username() for user in users}
        if unknown := [name for name in names if name not in known]:
            shown = ", ".join(name[:60] for name in unknown[:_SHOWN_NAMES])
            raise forms.ValidationError(
                ngettext("There is no user called %s.", "There are no users called %s.", len(unknown)) % shown
            )
        return users


if TYPE_CHECKING:
    _ModelMultipleChoiceField = forms.ModelMultipleChoiceField[Any]
else:
    _ModelMultipleChoiceField = forms.ModelMultipleChoiceField


class UsersField(_ModelMultipleChoiceField):
    """Users who are looked up."""

    def clean(self, value: Any) -> Any:
        """The users."""
        if value and len(value) > MAX_NAMED:
            raise forms.ValidationError(_too_many())
        return list(super().clean(value))


def users_field(request: HttpRequest, admin_site: AdminSite, *, label: Any) -> forms.Field:
    """A search among the users where the admin has one and the member of staff may use it; else exact usernames. Not required."""
    users = get_user_model()
    user_admin: Any = admin_site._registry.get(users)
    if user_admin and user_admin.get_search_fields(request) and user_admin.has_view_permission(request):
        relation = Notification._meta.get_field("recipient")
        return UsersField(
            label=label,
            required=False,
            queryset=users._default_manager.all(),
            widget=AutocompleteSelectMultiple(relation, admin_site),
        )
    return UsernamesField(
        label=label,
        required=False,
        widget=AdminTextareaWidget(attrs={"rows": 2, "spellcheck": "false"}),
        help_text=gettext_lazy("Exact usernames, separated by commas or lines."),
    )


def _too_many() -> str:
    return _("Name at most %d users; for more, use a group.") % MAX_NAMED
