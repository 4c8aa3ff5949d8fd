"""The form by which staff compose what they send; what it may hold is decided by the services alone."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.contrib.admin import AdminSite
from django.contrib.admin.widgets import (
    AdminTextareaWidget,
    AdminTextInputWidget,
)
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications.admin.jobs.send_once import FormKeyField
from notifications.admin.user_fields import users_field
from notifications.event_gate import check_sender
from notifications.event_types import UntypedEvent, registry
from notifications.exceptions import (
    HubError,
    InvalidInput,
    NotificationTooLarge,
    TypeNotAllowed,
    UnknownEventType,
)
from notifications.filters import NO_FILTERS
from notifications.inbox_log.content import build_event, check_schedule
from notifications.models import (
    MAX_COLLAPSE_KEY_LENGTH,
    MAX_REASON_LENGTH,
    MAX_TITLE_LENGTH,
    MAX_TOPIC_LENGTH,
    Level,
)
from notifications.protocol import strict_json
from notifications.protocol.links import MAX_ACTIONS, MAX_LABEL_LENGTH, MAX_URL_LENGTH, Action
from notifications.selectors.staff.users import groups_by_name
from notifications.services.recipients import Recipients, user_model_has

# Titles of parts of the form, with their fields.
PARTS: Final = (
    (gettext_lazy("Recipients"), ("users", "groups", "everyone")),
    (gettext_lazy("Content"), ("type", "level", "title", "body", "url")),
    (
        gettext_lazy("Actions"),
        tuple(
            f"actions_{number}_{name}" for number in range(MAX_ACTIONS) for name in ("label", "url", "method")
        ),
    ),
    (gettext_lazy("Details"), ("topic", "data", "collapse_key")),
    (gettext_lazy("When"), ("deliver_at", "expires_at")),
)
TYPE_LIST_ID: Final = "known-event-types"


class LocalTimeInput(forms.DateTimeInput):
    """The browser's own field for a date and a time, in the site's time zone."""

    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%dT%H:%M")


class ComposeForm(forms.Form):
    """A form for all that ``services.broadcast`` takes from a person.

    What the services refuse is shown at the fields that they name.
    """

    groups = forms.ModelMultipleChoiceField(
        label=gettext_lazy("Groups"),
        required=False,
        queryset=groups_by_name(),
        widget=forms.SelectMultiple(attrs={"size": 4}),
        help_text=gettext_lazy("All members who are active when the notification is sent."),
    )
    everyone = forms.BooleanField(
        label=gettext_lazy("Everyone"), required=False, help_text=gettext_lazy("All active users.")
    )

    type = forms.CharField(
        label=gettext_lazy("Type"),
        max_length=100,
        widget=AdminTextInputWidget(
            attrs={"list": TYPE_LIST_ID, "autocomplete": "off", "spellcheck": "false"}
        ),
        help_text=gettext_lazy(
            "The event type, such as news.maintenance.planned: 2 to 4 words separated by dots."
        ),
    )
    level = forms.ChoiceField(
        label=gettext_lazy("Level"),
        required=False,
        choices=[("", gettext_lazy("The type’s default")), *Level.choices],
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
        help_text=gettext_lazy(
            "Where a click leads: a path on this site (/orders/7/) or an http(s) address."
        ),
    )
    topic = forms.CharField(
        label=gettext_lazy("Topic"),
        required=False,
        max_length=MAX_TOPIC_LENGTH,
        widget=AdminTextInputWidget,
        help_text=gettext_lazy("What the notification concerns, such as order:7."),
    )
    data = forms.CharField(  # type: ignore[assignment] # Django's metaclass takes fields off the class, so nothing is hidden
        label=gettext_lazy("Data"),
        required=False,
        widget=AdminTextareaWidget(
            attrs={"rows": 4, "spellcheck": "false", "class": "vLargeTextField hub-code"}
        ),
        help_text=gettext_lazy("A JSON object for programs. Leave empty for {}."),
    )
    collapse_key = forms.CharField(
        label=gettext_lazy("Collapse key"),
        required=False,
        max_length=MAX_COLLAPSE_KEY_LENGTH,
        widget=AdminTextInputWidget,
        help_text=gettext_lazy(
            "Replaces the notifications of the same type, topic and key in each recipient’s inbox."
        ),
    )
    deliver_at = forms.DateTimeField(
        label=gettext_lazy("Deliver at"),
        required=False,
        widget=LocalTimeInput,
        help_text=gettext_lazy("Leave empty to send at once."),
    )
    expires_at = forms.DateTimeField(
        label=gettext_lazy("Expires at"),
        required=False,
        widget=LocalTimeInput,
        help_text=gettext_lazy(
            "Leave empty if it never expires. It is deleted within seconds after this time."
        ),
    )

    form_key = FormKeyField()

    class Media:
        js = ("notifications-admin/autocomplete-label.js",)

    def __init__(self, *args: Any, request: HttpRequest, admin_site: AdminSite, **kwargs: Any) -> None:
        """Make the form for a member of staff, who is offered to look users up if they may."""
        super().__init__(*args, **kwargs)
        self.fields = {
            "users": users_field(request, admin_site, label=gettext_lazy("Users")),
            **self.fields,
            **_action_fields(),
        }
        if not user_model_has("groups") or not groups_by_name().exists():
            del self.fields["groups"]

    @property
    def parts(self) -> list[tuple[Any, list[forms.BoundField]]]:
        """The fields under their titles."""
        return [(title, [self[name] for name in names if name in self.fields]) for title, names in PARTS]

    @property
    def recipients(self) -> Recipients:
        """Whom a valid form is for."""
        given = self.cleaned_data
        return Recipients(users=given["users"], groups=given.get("groups") or (), everyone=given["everyone"])

    def clean_data(self) -> dict[str, Any]:
        """The JSON object; an empty text is an empty one."""
        try:
            value = strict_json.loads(self.cleaned_data["data"] or "{}", field="data")
        except InvalidInput as error:
            raise forms.ValidationError(sentence(error.errors["data"])) from None
        if not isinstance(value, dict):
            raise forms.ValidationError(_("Enter a JSON object, in curly brackets."))
        return value

    def clean(self) -> dict[str, Any]:
        """Ask the services to check all of it.

        So all errors show at once, also beside an empty field.
        """
        given = self.cleaned_data
        if not self._errors_of_recipients() and not (
            given["users"] or given.get("groups") or given["everyone"]
        ):
            self.add_error("users", _("Choose recipients: users, groups or everyone."))
        for check in (self._check_sender, self._check_event, self._check_schedule):
            try:
                check()
            except HubError as error:
                self.refuse(error)
        if not self.errors and not self.recipients.count(limit=1):
            self.add_error("users", _("None of these is an active user."))
        return given

    def _check_sender(self) -> None:
        # Staff compose as a producer without a token sends: nobody is told by hand of a login that there was
        # not.
        check_sender(self.event.type_name, NO_FILTERS)

    def _check_event(self) -> None:
        given = self.cleaned_data
        texts = {name: given.get(name, "") for name in ("title", "body", "url", "topic")}
        expires_at = given.get("expires_at")
        build_event(
            self.event, level=given.get("level"), actions=self.actions, expires_at=expires_at, **texts
        )

    def _check_schedule(self) -> None:
        check_schedule(self.cleaned_data.get("deliver_at"), self.cleaned_data.get("expires_at"))

    def _errors_of_recipients(self) -> bool:
        return bool({"users", "groups", "everyone"} & self.errors.keys())

    @property
    def event(self) -> UntypedEvent:
        """The event, as far as the form is filled in; a declared type brings its own level."""
        name = self.cleaned_data.get("type", "")
        return UntypedEvent(
            type_name=name, fields=self.cleaned_data.get("data", {}), default_level=registry.level_of(name)
        )

    @property
    def actions(self) -> list[Action]:
        """The actions that are filled in, at least in part."""
        return [self._action(number) for number in self._action_numbers]

    @property
    def _action_numbers(self) -> list[int]:
        rows = {number: self._action(number) for number in range(MAX_ACTIONS)}
        return [number for number, action in rows.items() if action["label"] or action["url"]]

    def _action(self, number: int) -> Action:
        given = self.cleaned_data
        label, url, method = (
            given.get(f"actions_{number}_{name}", "") for name in ("label", "url", "method")
        )
        return {"label": label, "url": url, "method": method or "GET"}

    @property
    def options(self) -> dict[str, Any]:
        """The rest of what a valid form says, as the services name it."""
        names = ("title", "body", "url", "topic", "collapse_key", "deliver_at", "expires_at")
        return {"level": self.cleaned_data["level"] or None, "actions": self.actions} | {
            name: self.cleaned_data[name] for name in names
        }

    def refuse(self, error: HubError) -> None:
        """Put what the services refuse on its fields."""
        match error:
            case InvalidInput():
                # Those of one field come together, as its data's keys do.
                known = set(self.errors)
                # All at once: a field that has an error is no longer among what is given.
                fields = [self._field_of(path) for path in error.errors]
                for (name, key), text in zip(fields, error.errors.values(), strict=True):
                    if name not in known:
                        words = f"“{key}” {text}." if key else sentence(text)
                        self.add_error(name if name in self.fields else None, words)
            case UnknownEventType() | TypeNotAllowed():
                if "type" not in self.errors:
                    self.add_error("type", str(error))
            case NotificationTooLarge() | _:
                self.add_error(None, str(error))

    def _field_of(self, path: str) -> tuple[str, str]:
        """The field that an error of the services is about, and the key in its value, if it names one."""
        name, _dot, key = path.partition(".")
        if name != "actions":
            return name, key
        index, _dot, part = key.partition(".")
        return f"actions_{self._action_numbers[int(index)]}_{part}", ""


class ReasonForm(forms.Form):
    """A form that asks why something is done, for the record."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=MAX_REASON_LENGTH,
        widget=AdminTextareaWidget(attrs={"rows": 2}),
        help_text=gettext_lazy("This is kept on record, where all staff can read it."),
    )


def _action_fields() -> dict[str, forms.Field]:
    """The fields of all actions, each a row of its own: what it is called, where it leads, and how."""
    labels = (gettext_lazy("First action"), gettext_lazy("Second action"))
    fields: dict[str, forms.Field] = {}
    for number, label in enumerate(labels[:MAX_ACTIONS]):
        fields |= {
            f"actions_{number}_label": forms.CharField(
                label=label,
                required=False,
                max_length=MAX_LABEL_LENGTH,
                widget=AdminTextInputWidget,
                help_text=gettext_lazy("What it is called, such as Pay. Empty: there is no such action."),
            ),
            f"actions_{number}_url": forms.CharField(
                label=gettext_lazy("Where it leads"),
                required=False,
                max_length=MAX_URL_LENGTH,
                widget=AdminTextInputWidget(attrs={"class": "vTextField hub-wide"}),
                help_text=gettext_lazy(
                    "For a link, a path on this site (/orders/7/) or an http(s) address. "
                    "For a button, a path."
                ),
            ),
            f"actions_{number}_method": forms.ChoiceField(
                label=gettext_lazy("What it is"),
                required=False,
                choices=(
                    ("GET", gettext_lazy("A link")),
                    ("POST", gettext_lazy("A button that posts (POST)")),
                ),
            ),
        }
    return fields


def sentence(text: str) -> str:
    """Make a sentence of an error of the services.

    Their errors go on from a field's name; under the field itself each is a sentence of its own.
    """
    return f"This {text}" + ("" if text.endswith(".") else ".")
