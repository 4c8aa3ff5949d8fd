"""Converts values between Python and JSON along their annotations. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any, Final, get_args, get_origin, is_typeddict
from uuid import UUID

from notifications.protocol.json_types import fits, fits_json, is_record, is_sequence, is_union, keys_of
from notifications.protocol.times import parse_time

_PLAIN: Final = frozenset({str, int, float, bool, type(None)})
_Convert = Callable[[Any, Any], Any]


def to_json(value: Any, hint: Any) -> Any:
    """Return a Python value as JSON writes it: a time in UTC as text, a dataclass as an object.

    What the annotation leaves open (``Any``) stays as it is.

    Args:
        value: it has the annotated type, as ``fits`` says.
        hint: the annotation.
    """
    if type(value) in _PLAIN or hint is Any or hint is object:
        return value
    match value:
        case Enum():
            return value.value
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"
        case date():
            return value.isoformat()
        case UUID():
            return str(value)
    if is_record(hint) and not is_typeddict(hint):
        return {name: to_json(getattr(value, name), child) for name, child in keys_of(hint).items()}
    return _convert(value, hint, to_json, fits)


def from_json(value: Any, hint: Any) -> Any:
    """Return a value of JSON as the annotation has it; of several types it takes the first that fits.

    Args:
        value: it has the annotated type, as ``fits_json`` says.
        hint: the annotation.
    """
    if hint is Any or hint is object:
        return value
    kind = get_origin(hint) or hint
    if isinstance(kind, type):
        if issubclass(kind, Enum):
            return kind(value)
        if issubclass(kind, datetime):
            return parse_time(value)
        if issubclass(kind, date):
            return kind.fromisoformat(value)
        if issubclass(kind, UUID):
            return kind(value)
        if is_record(kind) and not is_typeddict(kind):
            return kind(**{name: from_json(child, keys_of(kind)[name]) for name, child in value.items()})
    converted = _convert(value, hint, from_json, fits_json)
    if isinstance(converted, list) and isinstance(kind, type) and issubclass(kind, (tuple, set, frozenset)):
        return kind(converted)
    return converted


def _convert(value: Any, hint: Any, convert: _Convert, fit: Callable[[Any, Any], bool]) -> Any:
    """Convert what is inside of a union, an object or a list."""
    args = get_args(hint)
    if is_union(hint):
        return convert(value, next(arg for arg in args if fit(value, arg)))
    if hasattr(hint, "__supertype__"):  # a NewType
        return convert(value, hint.__supertype__)
    if is_typeddict(hint):
        return {name: convert(child, keys_of(hint)[name]) for name, child in value.items()}
    if isinstance(value, Mapping):
        return {key: convert(child, args[1] if args else Any) for key, child in value.items()}
    if is_sequence(get_origin(hint) or hint):
        return [convert(child, arg) for child, arg in zip(value, _arguments(args, len(value)), strict=True)]
    return value


def _arguments(args: tuple[Any, ...], count: int) -> Iterable[Any]:
    """Return the annotation of each of so many values in a list."""
    is_of_fixed_length = len(args) > 1 and args[-1] is not Ellipsis
    return args if is_of_fixed_length else [args[0] if args else Any] * count
