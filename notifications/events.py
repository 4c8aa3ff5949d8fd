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
from dataclasses import dataclass, fields
from types import UnionType
from typing import (
    Any,
    ClassVar,
    Final,
    Literal,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

from notifications import strict_json
from notifications.exceptions import EventTypeError, InvalidInput

Level = Literal["info", "success", "warning", "error"]
LEVELS: Final[tuple[Level, ...]] = get_args(Level)
RESERVED_CATEGORIES: Final = frozenset({"notification", "inbox", "stream"})
MAX_NAME_LENGTH: Final = 100
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){1,3}", re.ASCII)


def check_name(name: str) -> None:
    """Refuse what is not the dotted name of an event type (protocol, section 4).

    Raises:
        InvalidInput: with the field ``type`` and the reason.
    """
    if len(name) > MAX_NAME_LENGTH or not _NAME.fullmatch(name):
        raise InvalidInput(
            {"type": "must be 2 to 4 dotted segments of [a-z][a-z0-9_]*, at most 100 characters"}
        )
    if category_of(name) in RESERVED_CATEGORIES:
        raise InvalidInput({"type": f"may not begin with {category_of(name)}, which the hub itself uses"})


def category_of(name: str) -> str:
    """The first segment of an event type's name."""
    return name.split(".", 1)[0]


def route_of(name: str) -> str:
    """An event type's name as the Range dialect's clients have it: `/orders/order/shipped`."""
    return "/" + name.replace(".", "/")


def type_of_route(route: str) -> str:
    """The event type whose route this is; for a route that no event type can have, the route itself, which is no type's name."""
    name = route[1:].replace("/", ".")
    return name if route_of(name) == route and "." not in route else route


@dataclass_transform(kw_only_default=True, frozen_default=True)
class EventType:
    """Base of all event types; subclassing declares and registers one.

    Class arguments:
        name: the dotted name on the wire; unique over all installed apps.
        level: ``info`` (default), ``success``, ``warning`` or ``error``; ``notify(level=…)`` overrides it.

    Raises:
        EventTypeError: at import for a bad or doubled declaration, at construction for a field of the wrong type.
    """

    type_name: ClassVar[str]
    default_level: ClassVar[Level]
    _hints: ClassVar[dict[str, Any]]

    def __init_subclass__(cls, *, name: str, level: Level = "info") -> None:
        try:
            check_name(name)
        except InvalidInput as error:
            raise EventTypeError(f"{cls.__qualname__}: {error}") from None
        if level not in LEVELS:
            raise EventTypeError(
                f"{cls.__qualname__}: level must be one of {', '.join(LEVELS)}, not {level!r}"
            )
        cls.type_name = name
        cls.default_level = level
        dataclass(frozen=True, kw_only=True)(cls)
        cls._hints = {}
        registry.add(cls)

    def __post_init__(self) -> None:
        hints = self._field_hints()
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if not _fits(value, hints[field.name]):
                raise EventTypeError(
                    f"{type(self).__qualname__}.{field.name} must be {hints[field.name]}, not {value!r}"
                )

    @classmethod
    def _field_hints(cls) -> dict[str, Any]:
        # Resolved at the first use, not at import: an annotation may name something defined further down.
        if not cls._hints:
            cls._hints = get_type_hints(cls)
        return cls._hints

    def data(self) -> dict[str, Any]:
        """The fields, in the order of their declaration, as the notification's ``data``."""
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
        """The fields as the notification's ``data``."""
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

    def level_of(self, name: str) -> Level:
        """The level that a declared type has of its own; ``info`` for one that is not declared."""
        declared = self._types.get(name)
        return declared.default_level if declared else "info"

    def remove(self, event_type: type[EventType]) -> None:
        """Forget a class; for tests that declare one."""
        self._types.pop(event_type.type_name, None)


registry: Final = Registry()


def encode_data(data: Mapping[str, Any]) -> str:
    """The one encoding of ``data``: a line of ASCII JSON, stored once and spliced into every frame and answer.

    Raises:
        InvalidInput: something in it is not JSON, or not what the protocol admits.
    """
    return strict_json.dumps(dict(data), field="data")


def _fits(value: object, hint: Any) -> bool:
    """Whether a value has the annotated type, for the annotations that JSON data needs."""
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, UnionType):
        return any(_fits(value, arg) for arg in args)
    if origin is Literal:
        return value in args
    if origin is not None:
        return isinstance(value, origin) and _children_fit(value, args)
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint) if isinstance(hint, type) else value is hint


def _children_fit(value: Any, args: tuple[Any, ...]) -> bool:
    if isinstance(value, Mapping):
        return all(_fits(key, args[0]) and _fits(child, args[1]) for key, child in value.items())
    if isinstance(value, tuple) and args[-1:] != (Ellipsis,):
        return len(value) == len(args) and all(map(_fits, value, args))
    return all(_fits(child, args[0]) for child in value)
