"""Event types: typed, registered descriptions of what a notification can be about.

An app declares them in its ``notification_events`` module, which is imported when Django starts::

    class OrderShipped(EventType, name="orders.order.shipped", level="info"):
        order_id: int
        carrier: str = ""

The class becomes a frozen, keyword-only dataclass; its fields are the notification's ``data``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, Final, Literal, dataclass_transform, get_args, get_type_hints

from notifications.exceptions import EventTypeError, InvalidInput
from notifications.protocol import strict_json
from notifications.protocol.json_types import describe_type, fits, fits_json

Level = Literal["info", "success", "warning", "error"]
LEVELS: Final[tuple[Level, ...]] = get_args(Level)
RESERVED_SEGMENTS: Final = frozenset({"notification", "inbox", "stream", "run"})
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
        over_http: whether every producer may send it over HTTP; otherwise only one whose token names it among
            its types.

    Raises:
        EventTypeError: at import for a bad or doubled declaration, at construction for a field of the wrong
            type.
    """

    type_name: ClassVar[str]
    type_category: ClassVar[str]
    default_level: ClassVar[Level]
    over_http: ClassVar[bool]
    _hints: ClassVar[dict[str, Any]]

    def __init_subclass__(
        cls, *, name: str, category: str | None = None, level: Level = "info", over_http: bool = True
    ) -> None:
        try:
            check_name(name)
            if category is not None:
                check_category(category)
        except InvalidInput as error:
            raise EventTypeError(f"{cls.__qualname__}: {error}") from None
        if level not in LEVELS:
            raise EventTypeError(
                f"{cls.__qualname__}: level must be one of {', '.join(LEVELS)}, not {level!r}"
            )
        cls.type_name = name
        cls.type_category = first_segment(name) if category is None else category
        cls.default_level = level
        cls.over_http = over_http
        dataclass(frozen=True, kw_only=True)(cls)
        cls._hints = {}
        registry.add(cls)

    def __post_init__(self) -> None:
        hints = self.field_hints()
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if not fits(value, hints[field.name]):
                raise EventTypeError(
                    f"{type(self).__qualname__}.{field.name} must be {hints[field.name]}, not {value!r}"
                )

    @classmethod
    def field_hints(cls) -> dict[str, Any]:
        """Return the resolved annotation of each field.

        Raises:
            NameError: one names something that is not there.
        """
        # Resolved at the first use, not at import: an annotation may name something defined further down.
        if not cls._hints:
            cls._hints = get_type_hints(cls)
        return cls._hints

    @classmethod
    def data_errors(cls, data: Mapping[str, Any]) -> dict[str, str]:
        """Return what is wrong with JSON data of this type, by the path of the key: ``data.order_id``."""
        hints, declared = cls.field_hints(), {field.name: field for field in fields(cls)}  # type: ignore[arg-type]
        errors: dict[str, str] = {}
        for name, field in declared.items():
            if name in data:
                if not fits_json(data[name], hints[name]):
                    errors[f"data.{name}"] = f"must be {describe_type(hints[name])}"
            elif field.default is MISSING and field.default_factory is MISSING:
                errors[f"data.{name}"] = "is required"
        unknown = [name for name in data if name not in declared]
        return errors | {
            f"data.{name[:MAX_KEY_SHOWN]}": f"is no field of {cls.type_name}" for name in unknown
        }

    def data(self) -> dict[str, Any]:
        """Return the fields, in the order of their declaration, as the notification's ``data``."""
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]


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
