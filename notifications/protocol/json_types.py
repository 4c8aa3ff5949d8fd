"""Checks values against the annotations that JSON data needs. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Final, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

_WORDS: Final[Mapping[Any, str]] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    None: "null",
    NoneType: "null",
}


def fits(value: object, hint: Any) -> bool:
    """Return whether a Python value has the annotated type."""
    return _fits(value, hint, is_json=False)


def fits_json(value: object, hint: Any) -> bool:
    """Return whether a value of JSON has the annotated type.

    A list may stand for any sequence, and a text for a member of an enumeration.
    """
    return _fits(value, hint, is_json=True)


def describe_type(hint: Any) -> str:
    """Describe for a person what a value of JSON has to be."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(map(describe_type, args)))
    if origin is Literal:
        return f"one of {', '.join(map(str, args))}"
    kind = origin or hint
    if kind in _WORDS:
        return _WORDS[kind]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return f"one of {', '.join(str(member.value) for member in kind)}"
    if is_typeddict(kind) or (isinstance(kind, type) and issubclass(kind, Mapping)):
        return "an object with the declared values"
    return "a list with the declared values" if _is_sequence(kind) else f"as {hint} says"


def _fits(value: Any, hint: Any, *, is_json: bool) -> bool:
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, UnionType):
        return any(_fits(value, arg, is_json=is_json) for arg in args)
    if origin is Literal:
        # 1, 1.0 and True are equal, but of different types.
        return any(type(value) is type(arg) and value == arg for arg in args)
    if hasattr(hint, "__supertype__"):  # a NewType
        return _fits(value, hint.__supertype__, is_json=is_json)
    if is_typeddict(hint):
        return _fits_typed_dict(value, hint, is_json=is_json)
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
    if is_json and issubclass(kind, Enum):
        return any(value == member.value for member in kind)
    if _is_sequence(kind):
        return isinstance(value, (list, tuple) if is_json else kind) and not isinstance(value, (str, bytes))
    return isinstance(value, kind)


def _is_sequence(kind: Any) -> bool:
    return (
        isinstance(kind, type)
        and issubclass(kind, Collection)
        and not issubclass(kind, (str, bytes, Mapping))
    )


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


def _fits_typed_dict(value: Any, hint: Any, *, is_json: bool) -> bool:
    hints, marked = get_type_hints(hint), get_type_hints(hint, include_extras=True)
    # NotRequired is read too, because Python takes every key as required when annotations are strings.
    required = {name for name in hint.__required_keys__ if get_origin(marked[name]) is not NotRequired}
    return (
        isinstance(value, dict)
        and required <= value.keys() <= hints.keys()
        and all(_fits(child, hints[name], is_json=is_json) for name, child in value.items())
    )
