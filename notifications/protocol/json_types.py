"""Checks values against the annotations that JSON data needs. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict
from uuid import UUID

from notifications.protocol.times import TIME_EXAMPLE, parse_time, time_problem

_WORDS: Final[Mapping[Any, str]] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    None: "null",
    NoneType: "null",
    datetime: f"a time with a zone, such as {TIME_EXAMPLE}",
    date: "a date, such as 2026-11-21",
    UUID: "a UUID",
}
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_UUID: Final = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


def fits(value: object, hint: Any) -> bool:
    """Return whether a Python value has the annotated type."""
    return _fits(value, hint, is_json=False)


def fits_json(value: object, hint: Any) -> bool:
    """Return whether a value of JSON has the annotated type.

    A list may stand for any sequence, an object for a dataclass, and a text for a time, a date, a UUID or a
    member of an enumeration.
    """
    return _fits(value, hint, is_json=True)


def describe_type(hint: Any) -> str:
    """Describe for a person what a value of JSON has to be."""
    origin, args = get_origin(hint), get_args(hint)
    if is_union(hint):
        return " or ".join(dict.fromkeys(map(describe_type, args)))
    if origin is Literal:
        return f"one of {', '.join(map(str, args))}"
    kind = origin or hint
    if kind in _WORDS:
        return _WORDS[kind]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return f"one of {', '.join(str(member.value) for member in kind)}"
    if is_record(kind) or (isinstance(kind, type) and issubclass(kind, Mapping)):
        return "an object with the declared values"
    return "a list with the declared values" if is_sequence(kind) else f"as {hint} says"


def is_union(hint: Any) -> bool:
    """Return whether an annotation names several types, of which a value has one."""
    return get_origin(hint) in (Union, UnionType)


def is_record(hint: Any) -> bool:
    """Return whether an annotation is a dataclass or a ``TypedDict``; JSON has an object for it."""
    return is_typeddict(hint) or (isinstance(hint, type) and is_dataclass(hint))


def is_sequence(kind: Any) -> bool:
    """Return whether a class is that of a list, or of anything else that JSON writes as one."""
    return (
        isinstance(kind, type)
        and issubclass(kind, Collection)
        and not issubclass(kind, (str, bytes, Mapping))
    )


def required_keys(record: Any) -> frozenset[str]:
    """Return the keys that the object of a dataclass or a ``TypedDict`` cannot do without."""
    return _required_keys(record)


def keys_of(record: Any) -> dict[str, Any]:
    """Return the keys of the object of a dataclass or a ``TypedDict``, with their annotations, in order.

    Raises:
        NameError: an annotation names something that is not there.
    """
    return _keys_of(record)


@cache  # here rather than above, because mypy takes no class for hashable
def _required_keys(record: Any) -> frozenset[str]:
    if is_typeddict(record):
        # NotRequired is read too, because Python takes every key as required when annotations are strings.
        marked = get_type_hints(record, include_extras=True)
        return frozenset(
            name for name in record.__required_keys__ if get_origin(marked[name]) is not NotRequired
        )
    return frozenset(
        field.name
        for field in fields(record)
        if field.default is MISSING and field.default_factory is MISSING
    )


@cache
def _keys_of(record: Any) -> dict[str, Any]:
    hints = get_type_hints(record)
    return hints if is_typeddict(record) else {field.name: hints[field.name] for field in fields(record)}


def _fits(value: Any, hint: Any, *, is_json: bool) -> bool:
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if is_union(hint):
        return any(_fits(value, arg, is_json=is_json) for arg in args)
    if origin is Literal:
        # 1, 1.0 and True are equal, but of different types.
        return any(type(value) is type(arg) and value == arg for arg in args)
    if hasattr(hint, "__supertype__"):  # a NewType
        return _fits(value, hint.__supertype__, is_json=is_json)
    if is_record(hint):
        return _fits_record(value, hint, is_json=is_json)
    return _is_of(value, origin or hint, is_json=is_json) and (
        not args or _children_fit(value, args, is_json=is_json)
    )


def _is_of(value: Any, kind: Any, *, is_json: bool) -> bool:
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if not isinstance(kind, type):
        return value is kind
    if issubclass(kind, (date, UUID)):
        return _is_written(value, kind) if is_json else _is_instant(value, kind)
    if is_json and issubclass(kind, Enum):
        return any(value == member.value for member in kind)
    if is_sequence(kind):
        return isinstance(value, (list, tuple) if is_json else kind) and not isinstance(value, (str, bytes))
    return isinstance(value, kind)


def _is_instant(value: Any, kind: type) -> bool:
    """Return whether a Python value is a time with a zone, a day without a time, or a UUID."""
    if issubclass(kind, datetime):
        return isinstance(value, kind) and time_problem(value) is None
    return isinstance(value, kind) and not isinstance(value, datetime)


def _is_written(value: Any, kind: type) -> bool:
    """Return whether a value of JSON is the text of a time with a zone, of a date, or of a UUID."""
    if not isinstance(value, str):
        return False
    if issubclass(kind, datetime):
        return (at := parse_time(value)) is not None and time_problem(at) is None
    if issubclass(kind, UUID):
        return _UUID.fullmatch(value) is not None
    try:
        return _DATE.fullmatch(value) is not None and bool(date.fromisoformat(value))
    except ValueError:
        return False


def _children_fit(value: Any, args: tuple[Any, ...], *, is_json: bool) -> bool:
    if isinstance(value, Mapping):
        return all(
            _fits(key, args[0], is_json=is_json) and _fits(child, args[1], is_json=is_json)
            for key, child in value.items()
        )
    if len(args) > 1 and args[-1] is not Ellipsis:  # a tuple of fixed length
        return len(value) == len(args) and all(
            _fits(child, arg, is_json=is_json) for child, arg in zip(value, args, strict=True)
        )
    return all(_fits(child, args[0], is_json=is_json) for child in value)


def _fits_record(value: Any, hint: Any, *, is_json: bool) -> bool:
    hints = keys_of(hint)
    if not is_json and not is_typeddict(hint):
        return isinstance(value, hint) and all(
            _fits(getattr(value, name), child, is_json=False) for name, child in hints.items()
        )
    return (
        isinstance(value, dict)
        and required_keys(hint) <= value.keys() <= hints.keys()
        and all(_fits(child, hints[name], is_json=is_json) for name, child in value.items())
    )
