"""The form that asks for a replay: which notifications, what to do with them, and why."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django import forms
from django.contrib.admin import AdminSite
from django.contrib.admin.widgets import AdminTextareaWidget
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications.admin.jobs.compose_form import sentence
from notifications.admin.jobs.send_once import FormKeyField
from notifications.admin.links import notifications_url
from notifications.admin.notification_list.address import LIST_NAMES, check_names
from notifications.admin.user_fields import users_field
from notifications.exceptions import HubError, InvalidInput
from notifications.models import MAX_REASON_LENGTH, ReplayVerb
from notifications.selectors.staff.notification_list.criteria import PARAMETERS, BadCriteria, Criteria
from notifications.services import Selection
from notifications.services.replay import MAX_COPY_TO, MAX_IDS

IDS: Final = "ids"
EVERYTHING: Final = "everything"


class BadSelection(ValueError):
    """A selection that is impossible; its text is a sentence for a person."""


def selection_in(request: HttpRequest) -> Selection:
    """Read which notifications a request is about: ``ids``, or the parameters of the list.

    Raises:
        BadSelection: an id or a filter is impossible, or there is neither: an address without anything does
            not mean everything.
    """
    given = request.POST if request.method == "POST" else request.GET
    if text := given.get(IDS, ""):
        try:
            ids = list(dict.fromkeys(UUID(part) for part in text.split(",")))
        except ValueError:
            raise BadSelection(_("One of the ids is not valid.")) from None
        if len(ids) > MAX_IDS:
            raise BadSelection(
                _("At most %d notifications can be selected one by one. For more, use a filter.") % MAX_IDS
            )
        return Selection(ids=ids)
    criteria = Criteria.from_parameters(given.dict()).fixed_at(timezone.now())
    if not criteria and EVERYTHING not in given:
        raise BadSelection(_("Select some notifications or filter the list first."))
    try:
        if request.method != "POST":
            check_names(given, (*LIST_NAMES, EVERYTHING, "verb"))
        selection = Selection(criteria=criteria)
        selection.rows(request.user)
    except BadCriteria as error:
        raise BadSelection(str(error)) from error
    return selection


def list_url(request: HttpRequest) -> str:
    """The list with the filters that a request names.

    Whoever comes with a selection that cannot be taken is led back there.
    """
    given = request.POST if request.method == "POST" else request.GET
    return notifications_url(**{name: value for name in PARAMETERS if (value := given.get(name, ""))})


def selection_fields(selection: Selection) -> dict[str, str]:
    """The selection as fields of a form, or parameters of an address."""
    if selection.ids:
        return {IDS: ",".join(map(str, selection.ids))}
    return selection.criteria.as_parameters() or {EVERYTHING: "1"}


class ReplayForm(forms.Form):
    """A form that asks what to do, for whom, and why."""

    verb = forms.ChoiceField(
        label=gettext_lazy("Action"), choices=ReplayVerb.choices, widget=forms.RadioSelect
    )
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=MAX_REASON_LENGTH,
        widget=AdminTextareaWidget(attrs={"rows": 2}),
        help_text=gettext_lazy(
            "This is kept on record, where all staff can read it. Recipients do not see it."
        ),
    )
    form_key = FormKeyField()

    class Media:
        js = ("notifications-admin/autocomplete-label.js",)

    def __init__(self, *args: Any, request: HttpRequest, admin_site: AdminSite, **kwargs: Any) -> None:
        """Make the form for a member of staff, who is offered to look users up if they may."""
        super().__init__(*args, **kwargs)
        self.fields["copy_to"] = users_field(request, admin_site, label=gettext_lazy("Copy to"))
        self.fields["copy_to"].help_text = gettext_lazy("Only for “Copy to others”.")

    def clean_reason(self) -> str:
        """Text that says something."""
        return str(self.cleaned_data["reason"]).strip()

    def clean(self) -> dict[str, Any]:
        """Users go with copying, and copying with users."""
        given = self.cleaned_data
        users, is_copy = given.get("copy_to") or [], given.get("verb") == ReplayVerb.COPY
        if not is_copy:
            given["copy_to"] = []
        elif not users and "copy_to" not in self.errors:
            self.add_error("copy_to", _("Enter the users who will get a copy."))
        elif len(users) > MAX_COPY_TO:
            self.add_error("copy_to", _("Enter at most %d users.") % MAX_COPY_TO)
        return given

    def refuse(self, error: HubError) -> None:
        """Put what the services refuse on its fields."""
        if not isinstance(error, InvalidInput):
            self.add_error(None, str(error))
            return
        for name, text in error.errors.items():
            self.add_error(name if name in self.fields else None, sentence(text))
