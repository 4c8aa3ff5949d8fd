"""Event types: typed, registered descriptions of what a notification can be about.

An app declares them in its ``notification_events`` module, which is imported when Django starts::

    class OrderShipped(EventType, name="orders.order.shipped", level="info"):
        order_id: int
        carrier: str = ""

The class becomes a frozen, keyword-only dataclass; its fields are the notification's ``data``. More about it:
docs/event-types.md.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final, Literal, Self, dataclass_transform, get_args

from notifications.exceptions import EventTypeError, InvalidInput
from notifications.protocol import strict_json
from notifications.protocol.json_conversion import from_json, to_json
from notifications.protocol.json_schema import schema_of
from notifications.protocol.json_types import describe_type, fits, fits_json, keys_of, required_keys

Level = Literal["info", "success", "warning", "error"]
LEVELS: Final[tuple[Level, ...]] = get_args(Level)
RESERVED_SEGMENTS: Final = frozenset({"notification", "inbox", "stream", "run"})
# The names in the sprite, static/notifications/icons.svg.
ICONS: Final = frozenset({
    "bell", "check", "check-all", "dot", "archive", "inbox", "trash", "close", *LEVELS,
})  # fmt: skip
# First segments of the hub's own types: nobody is to be told over HTTP of a login that there was not.
GUARDED_SEGMENTS: Final = frozenset({"security"})
MAX_NAME_LENGTH: Final = 100
MAX_KEY_SHOWN: Final = 100
CATEGORY: Final = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){1,3}", re.ASCII)


def check_name(name: str) -> None:
    """Raise an error if a text is not the dotted name of an event type (protocol, section 4).

    Raises:
        InvalidInput: with the field ``type`` and the reason.
    """
    if len(name) > MAX_NAME_LENGTH or not _NAME.fullmatch(name):
        raise InvalidInput(
            {"type": "must be 2 to 4 dotted segments of [a-z][a-z0-9_]*, at most 100 characters"}
        )
    if first_segment(name) in RESERVED_SEGMENTS:
        raise InvalidInput({"type": f"may not begin with {first_segment(name)}, which the hub itself uses"})


def check_category(category: object) -> None:
    """Raise an error if a value can be no category, which has the grammar of one segment of a type's name.

    Raises:
        InvalidInput: with the field ``category`` and the reason.
    """
    if not (isinstance(category, str) and len(category) <= MAX_NAME_LENGTH and CATEGORY.fullmatch(category)):
        raise InvalidInput(
            {"category": "must be one segment of [a-z][a-z0-9_]*, at most 100 characters, such as orders"}
        )


def first_segment(name: str) -> str:
    """Return the first segment of an event type's name."""
    return name.split(".", 1)[0]


def words_of(name: str) -> str:
    """Return a name as words, for those who declare none: ``Order shipped`` for ``orders.order.shipped``."""
    segments = name.split(".")
    words = " ".join(segments[1:] if len(segments) > 2 else segments).replace("_", " ")
    return words[:1].upper() + words[1:]


def route_of(name: str) -> str:
    """Return an event type's name as a route of the Range dialect, such as ``/orders/order/shipped``."""
    return "/" + name.replace(".", "/")


def type_of_route(route: str) -> str:
    """Return the event type of a route of the Range dialect.

    For a route that no event type can have, it is the route itself, which is no type's name.
    """
    name = route[1:].replace("/", ".")
    return name if route_of(name) == route and "." not in route else route


@dataclass_transform(kw_only_default=True, frozen_default=True)
class EventType:
    """Base of all event types; subclassing declares and registers one.

    Class arguments:
        name: the dotted name on the wire; unique over all installed apps.
        category: what its notifications are filtered and counted by; by default the first segment of the
            name. It is stored with each event, so that those which were sent keep theirs when it changes.
        level: ``info`` (default), ``success``, ``warning`` or ``error``; ``notify(level=…)`` overrides it.
        durable: whether it may be sent as a notification.
        transient: whether it may be emitted, to the streams that are open and nowhere else.
        secret: the fields, all of them text, whose values no reader is to see.
        label: what people call it; may be a lazy translation. By default the words of its name.
        category_label: what people call its category. Of several types of one category, the first that is
            declared with one decides. By default the words of the category.
        icon: a name in the sprite; by default that of the level.
        over_http: whether every producer may send it over HTTP; otherwise only one whose token names it among
            its types.

    Raises:
        EventTypeError: at import for a bad or doubled declaration, at construction for a field of the wrong
            type.
    """

    type_name: ClassVar[str]
    type_category: ClassVar[str]
    default_level: ClassVar[Level]
    is_durable: ClassVar[bool]
    is_transient: ClassVar[bool]
    secret_fields: ClassVar[frozenset[str]] = frozenset()
    type_label: ClassVar[Any]
    category_label: ClassVar[Any]
    type_icon: ClassVar[str]
    over_http: ClassVar[bool]

    def __init_subclass__(
        cls,
        *,
        name: str,
        category: str | None = None,
        level: Level = "info",
        durable: bool = True,
        transient: bool = True,
        secret: Collection[str] = (),
        label: Any = "",
        category_label: Any = "",
        icon: str = "",
        over_http: bool = True,
    ) -> None:
        try:
            check_name(name)
            if category is not None:
                check_category(category)
        except InvalidInput as error:
            raise EventTypeError(f"{cls.__qualname__}: {error}") from None
        cls.type_name = name
        cls.type_category = first_segment(name) if category is None else category
        cls.default_level = level
        cls.is_durable, cls.is_transient = durable, transient
        cls.type_label, cls.category_label = label, category_label
        cls.type_icon = icon or level
        cls.over_http = over_http
        dataclass(frozen=True, kw_only=True)(cls)
        cls.secret_fields |= frozenset([secret] if isinstance(secret, str) else secret)
        if problem := cls._declaration_problem():
            raise EventTypeError(f"{cls.__qualname__}: {problem}")
        registry.add(cls)

    @classmethod
    def _declaration_problem(cls) -> str | None:
        """Return what is wrong with the class arguments, apart from the names."""
        if cls.default_level not in LEVELS:
            return f"level must be one of {', '.join(LEVELS)}, not {cls.default_level!r}"
        if cls.type_icon not in ICONS:
            return f"icon must be one of {', '.join(sorted(ICONS))}, not {cls.type_icon!r}"
        if not (cls.is_durable or cls.is_transient):
            return "durable or transient must be true"
        if unknown := cls.secret_fields - {field.name for field in fields(cls)}:  # type: ignore[arg-type]
            return f"secret names {', '.join(sorted(unknown))}, which is no field"
        return None

    def __post_init__(self) -> None:
        for name, hint in self.field_hints().items():
            value = getattr(self, name)
            if not fits(value, hint):
                raise EventTypeError(f"{type(self).__qualname__}.{name} must be {hint}, not {value!r}")

    @classmethod
    def field_hints(cls) -> dict[str, Any]:
        """Return the resolved annotation of each field, in the order of their declaration.

        Raises:
            NameError: one names something that is not there.
        """
        # Resolved at the first use, not at import: an annotation may name something defined further down.
        return keys_of(cls)

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """Return the JSON Schema, 2020-12, of the data.

        Raises:
            NameError: an annotation names something that is not there.
            TypeError: a field can have no form in JSON, or is secret and no text.
        """
        for name in cls.secret_fields:
            if not fits_json("", cls.field_hints()[name]):
                raise TypeError(f"the field {name} is secret, so it must be text")
        return schema_of(cls, secret=cls.secret_fields)

    @classmethod
    def describe(cls) -> dict[str, Any]:
        """Return the declaration as ``GET /event-types`` shows it, with labels in the active language."""
        return {
            "name": cls.type_name,
            "category": cls.type_category,
            "category_label": registry.category_label(cls.type_category),
            "level": cls.default_level,
            "label": str(cls.type_label) or words_of(cls.type_name),
            "icon": cls.type_icon,
            "durable": cls.is_durable,
            "transient": cls.is_transient,
            "schema": cls.json_schema(),
        }

    @classmethod
    def data_errors(cls, data: Mapping[str, Any]) -> dict[str, str]:
        """Return what is wrong with JSON data of this type, by the path of the key: ``data.order_id``."""
        hints = cls.field_hints()
        missing = required_keys(cls) - data.keys()
        errors = {f"data.{name}": "is required" for name in hints if name in missing}
        for name, value in data.items():
            if name not in hints:
                errors[f"data.{name[:MAX_KEY_SHOWN]}"] = f"is no field of {cls.type_name}"
            elif not fits_json(value, hints[name]):
                errors[f"data.{name}"] = f"must be {describe_type(hints[name])}"
        return errors

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Return the event that has this data, as it is stored and as clients read it.

        Fields that the type has gained since then have their defaults.

        Raises:
            InvalidInput: one entry for each key that does not fit.
        """
        if errors := cls.data_errors(data):
            raise InvalidInput(errors)
        hints = cls.field_hints()
        return cls(**{name: from_json(value, hints[name]) for name, value in data.items()})

    def data(self) -> dict[str, Any]:
        """Return the fields as the notification's ``data``, as JSON, in the order of their declaration."""
        return {name: to_json(getattr(self, name), hint) for name, hint in self.field_hints().items()}


@dataclass(frozen=True, kw_only=True)
class UntypedEvent:
    """An event whose type no class declares, as HTTP producers send them.

    Attributes:
        type_name: the dotted name.
        fields: the notification's ``data``.
        default_level: as for EventType.
    """

    type_name: str
    fields: Mapping[str, Any]
    default_level: Level = "info"

    def data(self) -> dict[str, Any]:
        """Return the fields as the notification's ``data``."""
        return dict(self.fields)


class Registry:
    """All declared event types by name."""

    def __init__(self) -> None:
        self._types: dict[str, type[EventType]] = {}

    def add(self, event_type: type[EventType]) -> None:
        """Register a class.

        Raises:
            EventTypeError: another class has the name already.
        """
        known = self._types.get(event_type.type_name)
        # The same module imported again (a reload) declares the same class again; that is no clash.
        if known is not None and (known.__module__, known.__qualname__) != (
            event_type.__module__,
            event_type.__qualname__,
        ):
            raise EventTypeError(
                f"{event_type.type_name} is declared by both {known.__module__}.{known.__qualname__} "
                f"and {event_type.__module__}.{event_type.__qualname__}"
            )
        self._types[event_type.type_name] = event_type

    def __contains__(self, name: object) -> bool:
        return name in self._types

    def __iter__(self) -> Iterator[type[EventType]]:
        return iter(sorted(self._types.values(), key=lambda event_type: event_type.type_name))

    def get(self, name: str) -> type[EventType] | None:
        """Return the class that declares a type; None for a type that is not declared."""
        return self._types.get(name)

    def is_guarded(self, name: str) -> bool:
        """Return whether a producer over HTTP must have a token that names the type.

        A type that is declared says so itself. One that is not declared, and begins as the hub's own types
        do, might be taken for one of them.
        """
        declared = self._types.get(name)
        return not declared.over_http if declared else first_segment(name) in GUARDED_SEGMENTS

    def category_of(self, name: str) -> str:
        """Return the category of an event that is sent now: the declared one, else the first segment.

        Of an event that is stored, read ``Event.category``: the type may declare another one by now.
        """
        declared = self._types.get(name)
        return declared.type_category if declared else first_segment(name)

    def category_label(self, category: str) -> str:
        """Return what people call a category, in the active language."""
        declared = (
            event_type.category_label
            for event_type in self._types.values()
            if event_type.type_category == category and event_type.category_label
        )
        return str(next(declared, "")) or words_of(category)

    def level_of(self, name: str) -> Level:
        """Return the default level of a declared type; ``info`` for a type that is not declared."""
        declared = self._types.get(name)
        return declared.default_level if declared else "info"

    def remove(self, event_type: type[EventType]) -> None:
        """Forget a class; for tests that declare one."""
        self._types.pop(event_type.type_name, None)


registry: Final = Registry()


def encode_data(data: Mapping[str, Any]) -> str:
    """Return ``data`` as one line of ASCII JSON, which is stored, and spliced into every frame and answer.

    Raises:
        InvalidInput: something in it is not JSON, or not what the protocol admits.
    """
    return strict_json.dumps(dict(data), field="data")
