"""JSON as the protocol admits it (section 3), the same on every database.

Refused are duplicate keys, NaN and infinities, integers outside of signed 64 bit, lone surrogates, NUL, and
more than 32 levels. What is accepted can be stored as text, read by any JSON library, and comes back with its
keys in order and its numbers equal.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final

from notifications.exceptions import InvalidInput

MAX_DEPTH: Final = 32
_MIN_INT: Final = -(2**63)
_MAX_INT: Final = 2**63 - 1

JSONValue = Any


def loads(raw: bytes | str, *, field: str = "body") -> JSONValue:
    """Parse JSON text strictly.

    Args:
        raw: UTF-8 bytes, or text.
        field: what an error calls the input.

    Raises:
        InvalidInput: the text is not JSON, or not the JSON that the protocol admits.
    """
    try:
        text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
        value = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=refuse_constant)
    except RecursionError:
        raise InvalidInput({field: f"is nested deeper than {MAX_DEPTH} levels"}) from None
    except UnicodeDecodeError:
        raise InvalidInput({field: "is not UTF-8"}) from None
    except ValueError as error:
        raise InvalidInput({field: f"is not valid JSON: {error}"}) from None
    check(value, field=field)
    return value


def dumps(value: JSONValue, *, field: str = "data") -> str:
    """Write a checked value as one line of ASCII JSON, in the order its keys have.

    Raises:
        InvalidInput: the value holds something that JSON, or the protocol, does not admit.
    """
    check(value, field=field)
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def size(text: str) -> int:
    """Return the size of JSON text in bytes of UTF-8, without blanks and needless escapes.

    That is how nearly every client would send it.
    """
    if "\\u" not in text and text.isascii():
        return len(text)
    compact = json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
    return len(compact.encode("utf-8"))


def check(value: JSONValue, *, field: str) -> None:
    """Check a value and everything in it against what the protocol admits.

    Raises:
        InvalidInput: with ``field`` and the reason.
    """
    unchecked: list[tuple[JSONValue, int]] = [(value, 1)]
    while unchecked:
        item, depth = unchecked.pop()
        match item:
            case None | bool():
                pass
            case str():
                check_text(item, field=field)
            case int():
                if not _MIN_INT <= item <= _MAX_INT:
                    raise InvalidInput({field: "holds an integer outside signed 64 bit"})
            case float():
                if not math.isfinite(item):
                    raise InvalidInput({field: "holds a number that is not finite"})
            case dict() | list() | tuple():
                if depth > MAX_DEPTH:
                    raise InvalidInput({field: f"is nested deeper than {MAX_DEPTH} levels"})
                unchecked.extend((child, depth + 1) for child in _children(item, field=field))
            case _:
                raise InvalidInput({field: f"holds a {type(item).__name__}, which JSON has no form for"})


def check_text(text: str, *, field: str) -> None:
    """Refuse NUL (PostgreSQL cannot store it) and lone surrogates (UTF-8 has no form for them).

    Raises:
        InvalidInput: with ``field`` and the reason.
    """
    if "\0" in text:
        raise InvalidInput({field: "holds a NUL character"})
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidInput({field: "holds a lone surrogate"}) from None


def _children(item: dict[Any, Any] | list[Any] | tuple[Any, ...], *, field: str) -> list[JSONValue]:
    if not isinstance(item, dict):
        return list(item)
    for key in item:
        if not isinstance(key, str):
            raise InvalidInput({field: f"has a key that is a {type(key).__name__}; JSON keys are text"})
        check_text(key, field=field)
    return list(item.values())


def _unique_keys(pairs: list[tuple[str, JSONValue]]) -> dict[str, JSONValue]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("an object has the same key twice")
    return result


def refuse_constant(name: str) -> JSONValue:
    """Refuse NaN and the infinities, which Python reads as JSON, for ``json.loads``.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"{name} is not a JSON number")
