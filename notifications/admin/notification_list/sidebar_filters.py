"""The filters beside the list of notifications: what there is to choose from.

What a choice means is said in ``selectors.staff.notification_list.meaning``.

None of them reads the whole table to know its choices.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, cast

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from notifications.admin.notification_list.changelist import NotificationList
from notifications.event_types import registry
from notifications.models import Level, Notification
from notifications.selectors.staff.notification_list.rows import types_of_newest_events
from notifications.selectors.staff.states import State

# Types that no class declares come from producers; a busy one shows up among the newest events.
RECENT_EVENTS: Final = 500

Rows = QuerySet[Notification]
Choices = Iterator[Any]


class _Choice(admin.SimpleListFilter):
    """A filter of one parameter with some values to choose from."""

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """Keep all: the list narrows itself, by all parameters at once."""
        return queryset


class StateFilter(_Choice):
    """Filter by the state of the notification."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Offer all states."""
        return list(State.choices)


class SentFilter(_Choice):
    """Filter by how long ago it was sent; fields take the time to the minute."""

    title = gettext_lazy("time sent")
    parameter_name = "sent"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Offer the last hour, day and so on."""
        return [
            ("hour", gettext_lazy("Past hour")),
            ("day", gettext_lazy("Past 24 hours")),
            ("week", gettext_lazy("Past 7 days")),
            ("month", gettext_lazy("Past 30 days")),
        ]


class LevelFilter(_Choice):
    """Filter by the level of the event: a staged notification has no copy of it yet."""

    title = gettext_lazy("level")
    parameter_name = "level"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Offer all levels."""
        return list(Level.choices)


class CategoryFilter(_Choice):
    """Filter by the first segment of the event type."""

    title = gettext_lazy("category")
    parameter_name = "category"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Categories of the known types."""
        return _choices(request, "category", (category for category, _ in known_types(request)))


class TypeFilter(_Choice):
    """Event types; where a category is chosen, those of the category.

    A trailing ``.*`` takes the prefix, as in the protocol.
    """

    title = gettext_lazy("type")
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The known types."""
        chosen = request.GET.get("category")
        names = (name for category, name in known_types(request) if chosen in (None, "", category))
        return _choices(request, "type", names)


def _choices(request: HttpRequest, parameter: str, names: Iterable[str]) -> list[tuple[str, str]]:
    """Names to choose from, and the one that was typed into the address."""
    given = request.GET.get(parameter, "").strip()
    return [(name, name) for name in sorted({*names, given} - {""})]


class FieldsFilter(admin.ListFilter):
    """A form for what is typed: names, texts and times."""

    title = gettext_lazy("field")
    template = "admin/notification_hub/filters/fields.html"
    names = ("recipient", "topic", "producer", "key", "sent_from", "sent_to")

    def __init__(
        self, request: HttpRequest, params: dict[str, list[str]], model: Any, model_admin: Any
    ) -> None:
        super().__init__(request, cast("Any", params), model, model_admin)
        self.values = {name: params.pop(name, [""])[-1].strip() for name in self.names}
        self.used_parameters = {name: value for name, value in self.values.items() if value}
        self.unknown: frozenset[str] = frozenset()
        self.wrong: Mapping[str, str] = {}
        self.kept: list[tuple[str, str]] = []

    def has_output(self) -> bool:
        """Show it always."""
        return True

    def expected_parameters(self) -> list[str | None]:
        """Name the parameters in the address."""
        return list(self.names)

    def choices(self, changelist: ChangeList) -> Choices:
        """Offer nothing, because these values are typed.

        Notes what is unknown or wrong, and the other parameters, which the form repeats.
        """
        if isinstance(changelist, NotificationList):
            self.unknown = changelist.conditions.unknown
            self.wrong = changelist.conditions.wrong
        self.kept = [
            (name, value)
            for name, value in changelist.params.items()
            if isinstance(value, str) and name not in self.names
        ]
        yield from ()

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """Keep all: the list narrows itself."""
        return queryset


class EventFilter(_Choice):
    """Filter by event, as the link to the other recipients does; not shown until it is used."""

    title = gettext_lazy("event")
    parameter_name = "event"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """The one in the address."""
        given = request.GET.get("event", "").strip()
        return [(given, gettext_lazy("Sent together"))] if given else []


FILTERS: Final = (
    FieldsFilter,
    StateFilter,
    SentFilter,
    LevelFilter,
    CategoryFilter,
    TypeFilter,
    EventFilter,
)


def known_types(request: HttpRequest) -> set[tuple[str, str]]:
    """Category and name of the declared event types, and of those of the newest events.

    One query a request, of bounded cost.
    """
    known: set[tuple[str, str]] | None = getattr(request, "_hub_known_types", None)
    if known is None:
        declared = {(event_type.type_category, event_type.type_name) for event_type in registry}
        known = declared | types_of_newest_events(RECENT_EVENTS)
        request._hub_known_types = known  # type: ignore[attr-defined]
    return known
