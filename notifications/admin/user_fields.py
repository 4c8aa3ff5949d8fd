"""Form fields that name users.

Names are typed, which needs no JavaScript, or looked up, where that works and the member of staff may.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from django import forms
from django.contrib.admin import AdminSite
from django.contrib.admin.widgets import (
    AdminTextareaWidget,
    AdminTextInputWidget,
    AutocompleteSelect,
    AutocompleteSelectMultiple,
)
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from notifications.models import Notification
from notifications.selectors.staff.users import all_users, user_named, users_named

MAX_NAMED: Final = 500
EXACT_NAME: Final = gettext_lazy("The exact username.")
EXACT_NAMES: Final = gettext_lazy("Exact usernames, separated by commas or lines.")
_SHOWN_NAMES: Final = 5


class UsernameField(forms.CharField):
    """A user by the exact username."""

    widget = AdminTextInputWidget(
        attrs={"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}
    )

    def clean(self, value: Any) -> Any:
        """The user; None for an empty text, where that is allowed."""
        name = super().clean(value)
        if not name:
            return None
        user = user_named(name)
        if user is None:
            raise forms.ValidationError(_("There is no user called “%s”.") % name)
        return user


class UsernamesField(forms.CharField):
    """Users by their exact usernames, one on each line, or separated by commas."""

    widget = AdminTextareaWidget(attrs={"rows": 2, "autocapitalize": "off", "spellcheck": "false"})

    def clean(self, value: Any) -> list[Any]:
        """The users, in the order of their names."""
        text = super().clean(value)
        names = list(dict.fromkeys(filter(None, (part.strip() for part in re.split(r"[\n\r,]+", text)))))
        _check_count(names)
        users = users_named(names)
        known = {user.get_username() for user in users}
        if unknown := [name for name in names if name not in known]:
            shown = ", ".join(name[:60] for name in unknown[:_SHOWN_NAMES])
            raise forms.ValidationError(
                ngettext("There is no user called %s.", "There are no users called %s.", len(unknown)) % shown
            )
        return users


class LookedUpOrTyped(forms.MultiWidget):
    """A list of Django's that is filled by a script, and a field that is there where scripts do not run."""

    use_fieldset = False

    def __init__(self, looked_up: forms.Widget, typed: forms.Widget, *, label: Any, help_text: Any) -> None:
        super().__init__({"": looked_up, "typed": typed})
        self._label, self._help_text = label, help_text

    def id_for_label(self, id_: str) -> str:
        """The label is that of the list."""
        return f"{id_}_0" if id_ else id_

    def decompress(self, value: Any) -> list[Any]:
        """Choose in the list what the form begins with."""
        return [value, ""]

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Both; a browser that runs scripts does not read what is in ``noscript``."""
        looked_up, typed = value if isinstance(value, list) else self.decompress(value)
        attrs = attrs or {}
        id_ = attrs.get("id", f"id_{name}")
        return format_html(
            '<div class="hub-people"><div class="hub-looked-up">{}</div><noscript>{} <p class="help" '
            'id="{}_help">{}</p></noscript></div>',
            self.widgets[0].render(name, looked_up, {**attrs, "id": f"{id_}_0"}, renderer),
            self.widgets[1].render(
                f"{name}_typed",
                typed,
                {"id": f"{id_}_typed", "aria-label": self._label, "aria-describedby": f"{id_}_help"},
                renderer,
            ),
            id_,
            self._help_text,
        )


class OneUserField(forms.MultiValueField):
    """One user, looked up or typed."""

    def compress(self, data_list: Sequence[Any]) -> Any:
        """The user; None for none."""
        named = {user.pk: user for user in data_list if user}
        if len(named) > 1:
            raise forms.ValidationError(_("These are two different users. Choose one or type one."))
        return next(iter(named.values()), None)


class ManyUsersField(forms.MultiValueField):
    """Any number of users, looked up, typed or both."""

    def compress(self, data_list: Sequence[Any]) -> list[Any]:
        """The users, each once."""
        named = {user.pk: user for users in data_list for user in users}
        _check_count(named)
        return list(named.values())


def user_field(request: HttpRequest, admin_site: AdminSite, *, label: Any) -> forms.Field:
    """Make a field for one user, by the exact username.

    Where the admin has a search among the users, and the member of staff may use it, the user can be
    looked up too.
    """
    if not _may_look_up(request, admin_site):
        return UsernameField(label=label, help_text=EXACT_NAME)
    looked_up = forms.ModelChoiceField(
        queryset=all_users(),
        widget=AutocompleteSelect(_relation(), admin_site),
        required=False,
    )
    typed = UsernameField(required=False)
    return OneUserField(
        (looked_up, typed),
        label=label,
        require_all_fields=False,
        widget=LookedUpOrTyped(looked_up.widget, typed.widget, label=label, help_text=EXACT_NAME),
    )


def users_field(request: HttpRequest, admin_site: AdminSite, *, label: Any) -> forms.Field:
    """Users, as ``user_field`` is one. Not required."""
    if not _may_look_up(request, admin_site):
        return UsernamesField(label=label, required=False, help_text=EXACT_NAMES)
    looked_up = forms.ModelMultipleChoiceField(
        queryset=all_users(),
        widget=AutocompleteSelectMultiple(_relation(), admin_site),
        required=False,
    )
    typed = UsernamesField(required=False)
    return ManyUsersField(
        (looked_up, typed),
        label=label,
        required=False,
        require_all_fields=False,
        widget=LookedUpOrTyped(looked_up.widget, typed.widget, label=label, help_text=EXACT_NAMES),
    )


def _may_look_up(request: HttpRequest, admin_site: AdminSite) -> bool:
    user_admin: Any = admin_site._registry.get(get_user_model())
    return bool(
        user_admin and user_admin.get_search_fields(request) and user_admin.has_view_permission(request)
    )


def _relation() -> Any:
    return Notification._meta.get_field("recipient")


def _check_count(named: Any) -> None:
    if len(named) > MAX_NAMED:
        raise forms.ValidationError(_("Enter at most %d users. For more, use a group.") % MAX_NAMED)
