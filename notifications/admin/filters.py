"""The filters beside the list of notifications; none of them reads the whole table to know its choices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, time, timedelta
from typing import Any, ClassVar, Final, cast

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications.admin.search import username_field
from notifications.admin.states import State, condition
from notifications.events import category_of, registry
from notifications.exceptions import InvalidInput
from notifications.filters import Filters
from notifications.models import Event, Level, Notification

# Types that no class declares come from producers; a busy one shows up among the newest events.
RECENT_EVENTS: Final = 500
MAX_ID_DIGITS: Final = 18
_YEARS: Final = range(2000, 3000)

Rows = QuerySet[Notification]
Choices = Iterator[Any]


class StateFilter(admin.SimpleListFilter):
    """Staged, scheduled, unread, read, deleted or failed."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """All states."""
        return list(State.choices)

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """Those in the state."""
        if (value := self.value()) is None:
            return queryset
        try:
            return queryset.filter(condition(State(value), timezone.now()))
        except ValueError as error:
            raise IncorrectLookupParameters(error) from error


class LevelFilter(admin.SimpleListFilter):
    """The four levels; the event's, because a staged notification has no copy of it yet."""

    title = gettext_lazy("level")
    parameter_name = "level"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """All levels."""
        return list(Level.choices)

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """Those of the level."""
        value = self.value()
        return queryset if value is None else queryset.filter(event__level=value)


class _TypeNameFilter(admin.SimpleListFilter):
    """Common to category and type: checked by the protocol's grammar, chosen from known names or typed into the address."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        given = self.value_in(request)
        return [(name, name) for name in sorted(self.names(request) | ({given} if given else set()))]

    def value_in(self, request: HttpRequest) -> str:
        """The value in the address."""
        value = request.GET.get(self.parameter_name or "", "")
        try:
            Filters.parse({str(self.parameter_name): [value]} if value else {})
        except InvalidInput as error:
            raise IncorrectLookupParameters(error) from error
        return value

    def names(self, request: HttpRequest) -> set[str]:
        """What there is to choose from."""
        raise NotImplementedError


class CategoryFilter(_TypeNameFilter):
    """First segments of event types."""

    title = gettext_lazy("category")
    parameter_name = "category"

    def names(self, request: HttpRequest) -> set[str]:
        """Categories of the known types."""
        return {category_of(name) for name in known_types(request)}

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """Those of the category."""
        value = self.value()
        return queryset.filter(event__type__startswith=f"{value}.") if value else queryset


class TypeFilter(_TypeNameFilter):
    """Event types; of the chosen category, when one is."""

    title = gettext_lazy("type")
    parameter_name = "type"

    def names(self, request: HttpRequest) -> set[str]:
        """The known types."""
        category = request.GET.get("category")
        return {name for name in known_types(request) if category in (None, "", category_of(name))}

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """Those of the type; a trailing ``.*`` takes the prefix, as on the wire."""
        value = self.value()
        if not value:
            return queryset
        if value.endswith(".*"):
            return queryset.filter(event__type__startswith=value[:-1])
        return queryset.filter(event__type=value)


class RecipientFilter(admin.ListFilter):
    """One user, by the exact username."""

    title = gettext_lazy("recipient")
    template = "admin/notifications/filters/recipient.html"

    def __init__(
        self, request: HttpRequest, params: dict[str, list[str]], model: Any, model_admin: Any
    ) -> None:
        super().__init__(request, cast("Any", params), model, model_admin)
        self.username = _take(params, "recipient")
        self.unknown = False
        self.kept: list[tuple[str, str]] = []

    def has_output(self) -> bool:
        """Always there."""
        return True

    def expected_parameters(self) -> list[str | None]:
        """The parameters in the address."""
        return ["recipient"]

    def choices(self, changelist: ChangeList) -> Choices:
        """None: it is typed. Notes the other parameters, which the form repeats."""
        self.kept = _other_parameters(changelist, self.expected_parameters())
        yield from ()

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """The user's notifications; none for an unknown user."""
        if not self.username:
            return queryset
        users = get_user_model()._default_manager.filter(**{username_field(): self.username})
        user_id = users.values_list("pk", flat=True).first()
        self.unknown = user_id is None
        return queryset.none() if self.unknown else queryset.filter(recipient_id=user_id)


class SentFilter(admin.ListFilter):
    """When it was sent: the last hour, day and so on, or from one time to another."""

    title = gettext_lazy("time sent")
    template = "admin/notifications/filters/sent.html"
    presets: ClassVar[list[tuple[str, Any, timedelta]]] = [
        ("hour", gettext_lazy("Past hour"), timedelta(hours=1)),
        ("day", gettext_lazy("Past 24 hours"), timedelta(days=1)),
        ("week", gettext_lazy("Past 7 days"), timedelta(days=7)),
        ("month", gettext_lazy("Past 30 days"), timedelta(days=30)),
    ]

    def __init__(
        self, request: HttpRequest, params: dict[str, list[str]], model: Any, model_admin: Any
    ) -> None:
        super().__init__(request, cast("Any", params), model, model_admin)
        self.preset = _take(params, "sent")
        self.since = _take(params, "sent_from")
        self.until = _take(params, "sent_to")
        self.kept: list[tuple[str, str]] = []

    def has_output(self) -> bool:
        """Always there."""
        return True

    def expected_parameters(self) -> list[str | None]:
        """The parameters in the address."""
        return ["sent", "sent_from", "sent_to"]

    def choices(self, changelist: ChangeList) -> Choices:
        """Any time, and the presets."""
        self.kept = _other_parameters(changelist, self.expected_parameters())
        names = [str(name) for name in self.expected_parameters()]
        chosen = self.preset or self.since or self.until
        yield {
            "selected": not chosen,
            "query_string": changelist.get_query_string(remove=names),
            "display": _("Any time"),
        }
        for name, label, _age in self.presets:
            query = changelist.get_query_string({"sent": name}, ["sent_from", "sent_to"])
            yield {"selected": self.preset == name, "query_string": query, "display": label}

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """Those sent in the span."""
        wanted = Q()
        if self.preset:
            ages = {name: age for name, _label, age in self.presets}
            if self.preset not in ages:
                raise IncorrectLookupParameters(self.preset)
            wanted &= Q(event__created_at__gte=timezone.now() - ages[self.preset])
        if self.since:
            wanted &= Q(event__created_at__gte=_time(request, self.since))
        if self.until:
            wanted &= Q(event__created_at__lt=_time(request, self.until, end=True))
        return queryset.filter(wanted)


class EventFilter(admin.ListFilter):
    """All notifications of one event: where "other recipients" leads. Not shown until it is used."""

    title = gettext_lazy("event")

    def __init__(
        self, request: HttpRequest, params: dict[str, list[str]], model: Any, model_admin: Any
    ) -> None:
        super().__init__(request, cast("Any", params), model, model_admin)
        self.event = _take(params, "event")
        if (
            not (self.event.isascii() and self.event.isdecimal() and len(self.event) <= MAX_ID_DIGITS)
            and self.event
        ):
            raise IncorrectLookupParameters(self.event)

    def has_output(self) -> bool:
        """Only when it is used."""
        return bool(self.event)

    def expected_parameters(self) -> list[str | None]:
        """The parameters in the address."""
        return ["event"]

    def choices(self, changelist: ChangeList) -> Choices:
        """All, or this one."""
        remove = changelist.get_query_string(remove=["event"])
        yield {"selected": False, "query_string": remove, "display": _("All")}
        yield {"selected": True, "query_string": changelist.get_query_string(), "display": _("Sent together")}

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """The event's notifications."""
        return queryset.filter(event_id=int(self.event)) if self.event else queryset


FILTERS: Final = (
    StateFilter,
    RecipientFilter,
    SentFilter,
    LevelFilter,
    CategoryFilter,
    TypeFilter,
    EventFilter,
)
PARAMETERS: Final = frozenset(
    ("state", "recipient", "sent", "sent_from", "sent_to", "level", "category", "type", "event")
)
NARROWING: Final = frozenset(("recipient", "sent", "sent_from", "event"))


def known_types(request: HttpRequest) -> set[str]:
    """Declared event types and those of the newest events. One query a request, of bounded cost."""
    known: set[str] | None = getattr(request, "_hub_known_types", None)
    if known is None:
        newest = Event.objects.order_by("-id").values_list("type", flat=True)[:RECENT_EVENTS]
        known = {event_type.type_name for event_type in registry} | set(newest)
        request._hub_known_types = known  # type: ignore[attr-defined]
    return known


def _take(params: dict[str, list[str]], name: str) -> str:
    """Remove a parameter from those that Django would look up, and return its last value."""
    values = params.pop(name, [""])
    if "\0" in values[-1]:
        raise IncorrectLookupParameters(f"{name} holds a NUL character")
    return values[-1].strip()


def _other_parameters(changelist: ChangeList, names: Sequence[str | None]) -> list[tuple[str, str]]:
    """What a filter's form repeats, so that the other filters stay."""
    return [
        (name, value)
        for name, values in changelist.filter_params.items()
        for value in values
        if name not in names
    ]


def _time(request: HttpRequest, text: str, *, end: bool = False) -> datetime:
    """A date or a local time; as the end of a span, a date is meant inclusively."""
    try:
        at = parse_datetime(text) if len(text) > len("2026-11-21") else _midnight(text)
        if at is None or at.year not in _YEARS:
            raise ValueError(text)
    except ValueError as error:
        example = _("“%s” is not a time; write it like 2026-11-21 or 2026-11-21T06:30.")
        messages.error(request, example % text[:40])
        raise IncorrectLookupParameters(error) from error
    if end and len(text) <= len("2026-11-21"):
        at += timedelta(days=1)
    return timezone.make_aware(at) if timezone.is_naive(at) else at


def _midnight(text: str) -> datetime | None:
    day = parse_date(text)
    return datetime.combine(day, time.min) if day else None
