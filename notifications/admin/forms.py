"""The form by which staff send a notification; what it may hold is decided by the services alone."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.contrib.admin import AdminSite
from django.contrib.admin.widgets import (
    AdminTextareaWidget,
    AdminTextInputWidget,
    AutocompleteSelect,
)
from django.contrib.auth import get_user_model
from django.db import IntegrityError
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications import services, strict_json
from notifications.admin.origin import username_of
from notifications.admin.search import username_field
from notifications.events import UntypedEvent, registry
from notifications.exceptions import HubError, InvalidInput, NotificationTooLarge, UnknownEventType
from notifications.models import (
    MAX_COLLAPSE_KEY_LENGTH,
    MAX_TITLE_LENGTH,
    MAX_TOPIC_LENGTH,
    MAX_URL_LENGTH,
    Event,
    Level,
    Notification,
)
from notifications.services.content import check_event, check_schedule

FIELDSETS: Final = (
    (None, {"fields": ("recipient", "type", "level", "title", "body", "url")}),
    (gettext_lazy("More about it"), {"fields": ("topic", "data", "collapse_key")}),
    (gettext_lazy("When"), {"fields": ("deliver_at", "expires_at")}),
)
TYPE_LIST_ID: Final = "known-event-types"


class LocalTimeInput(forms.DateTimeInput):
    """The browser's own field for a date and a time, in the site's time zone."""

    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%dT%H:%M")


class UsernameField(forms.CharField):
    """A user by the exact username, for staff who may not look users up."""

    def clean(self, value: Any) -> Any:
        """The user."""
        name = super().clean(value)
        user = get_user_model()._default_manager.filter(**{username_field(): name}).first()
        if user is None:
            raise forms.ValidationError(_("There is no user called “%s”.") % name)
        return user


class SendForm(forms.Form):
    """All that ``services.notify`` takes from a person; ``send`` puts its refusals on the fields they name."""

    type = forms.CharField(
        label=gettext_lazy("Type"),
        max_length=100,
        widget=AdminTextInputWidget(
            attrs={"list": TYPE_LIST_ID, "autocomplete": "off", "spellcheck": "false"}
        ),
        help_text=gettext_lazy("What it is about, such as news.maintenance.planned: 2 to 4 dotted words."),
    )
    level = forms.ChoiceField(
        label=gettext_lazy("Level"),
        required=False,
        choices=[("", gettext_lazy("The type’s own")), *Level.choices],
    )
    title = forms.CharField(
        label=gettext_lazy("Title"),
        max_length=MAX_TITLE_LENGTH,
        widget=AdminTextInputWidget(attrs={"class": "vTextField hub-wide"}),
    )
    body = forms.CharField(
        label=gettext_lazy("Body"),
        required=False,
        strip=False,
        widget=AdminTextareaWidget(attrs={"rows": 4}),
        help_text=gettext_lazy("Plain text, up to 10,000 characters."),
    )
    url = forms.CharField(
        label=gettext_lazy("Link"),
        required=False,
        max_length=MAX_URL_LENGTH,
        widget=AdminTextInputWidget(attrs={"class": "vTextField hub-wide"}),
        help_text=gettext_lazy("Where it leads: a path on this site (/orders/7/) or an http(s) address."),
    )
    topic = forms.CharField(
        label=gettext_lazy("Topic"),
        required=False,
        max_length=MAX_TOPIC_LENGTH,
        widget=AdminTextInputWidget,
        help_text=gettext_lazy("What it concerns, such as order:7."),
    )
    data = forms.CharField(  # type: ignore[assignment] # Django's metaclass takes fields off the class, so nothing is hidden
        label=gettext_lazy("Data"),
        required=False,
        widget=AdminTextareaWidget(
            attrs={"rows": 4, "spellcheck": "false", "class": "vLargeTextField hub-code"}
        ),
        help_text=gettext_lazy("A JSON object for programs; empty means {}."),
    )
    collapse_key = forms.CharField(
        label=gettext_lazy("Collapse key"),
        required=False,
        max_length=MAX_COLLAPSE_KEY_LENGTH,
        widget=AdminTextInputWidget,
        help_text=gettext_lazy("Replaces what the recipient has listed of the same type, topic and key."),
    )
    deliver_at = forms.DateTimeField(
        label=gettext_lazy("Deliver at"),
        required=False,
        widget=LocalTimeInput,
        help_text=gettext_lazy("Empty: at once."),
    )
    expires_at = forms.DateTimeField(
        label=gettext_lazy("Expires at"),
        required=False,
        widget=LocalTimeInput,
        help_text=gettext_lazy("Empty: never. It is deleted within seconds after this time."),
    )

    class Media:
        js = ("notifications-admin/autocomplete-label.js",)

    def __init__(self, *args: Any, request: HttpRequest, admin_site: AdminSite, **kwargs: Any) -> None:
        """Make the form for a member of staff, who is offered to look users up if they may."""
        super().__init__(*args, **kwargs)
        self._request = request
        self.fields = {"recipient": recipient_field(request, admin_site), **self.fields}

    def clean_data(self) -> dict[str, Any]:
        """The JSON object; an empty text is an empty one."""
        try:
            value = strict_json.loads(self.cleaned_data["data"] or "{}", field="data")
        except InvalidInput as error:
            raise forms.ValidationError(_sentence(error.errors["data"])) from None
        if not isinstance(value, dict):
            raise forms.ValidationError(_("It must be a JSON object, in curly brackets."))
        return value

    def clean(self) -> dict[str, Any]:
        """Ask the services what they think of it, so that all errors show at once, also beside an empty field."""
        given = self.cleaned_data
        texts = {name: given.get(name, "") for name in ("type", "title", "body", "url", "topic")}
        try:
            check_event(Event(**texts, level=given.get("level") or Level.INFO))
        except HubError as error:
            self._refuse(error)
        try:
            check_schedule(given.get("deliver_at"), given.get("expires_at"))
        except HubError as error:
            self._refuse(error)
        return given

    def send(self) -> Notification | None:
        """Send it. None, with errors on the fields, when it is refused; then nothing was sent."""
        given = self.cleaned_data
        declared = next((known for known in registry if known.type_name == given["type"]), None)
        event = UntypedEvent(
            type_name=given["type"],
            fields=given["data"],
            default_level=declared.default_level if declared else "info",
        )
        names = ("title", "body", "url", "topic", "collapse_key", "deliver_at", "expires_at")
        try:
            public_id = services.notify(
                given["recipient"],
                event,
                level=given["level"] or None,
                source=username_of(self._request),
                **{name: given[name] for name in names},
            )
        except HubError as error:
            self._refuse(error)
            return None
        except IntegrityError:
            self.add_error("recipient", _("This user has just been deleted."))
            return None
        return Notification.objects.select_related("recipient").get(public_id=public_id)

    def _refuse(self, error: HubError) -> None:
        match error:
            case InvalidInput():
                for name, text in error.errors.items():
                    if name not in self.errors:
                        self.add_error(name if name in self.fields else None, _sentence(text))
            case UnknownEventType():
                self.add_error("type", str(error))
            case NotificationTooLarge() | _:
                self.add_error(None, str(error))


def recipient_field(request: HttpRequest, admin_site: AdminSite) -> forms.Field:
    """A search among the users where the admin has one and the member of staff may use it; else the exact username."""
    users = get_user_model()
    user_admin: Any = admin_site._registry.get(users)
    if user_admin and user_admin.get_search_fields(request) and user_admin.has_view_permission(request):
        relation = Notification._meta.get_field("recipient")
        return forms.ModelChoiceField(
            label=gettext_lazy("Recipient"),
            queryset=users._default_manager.all(),
            widget=AutocompleteSelect(relation, admin_site),
        )
    return UsernameField(
        label=gettext_lazy("Recipient"),
        widget=AdminTextInputWidget,
        help_text=gettext_lazy("The exact username."),
    )


def _sentence(text: str) -> str:
    """The services' errors go on from a field's name; under the field itself they are sentences of their own."""
    return f"This {text}" + ("" if text.endswith(".") else ".")
