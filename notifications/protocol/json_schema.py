"""The JSON Schema, 2020-12, of annotations. Pure.

It says what ``fits_json`` takes. There is one thing that it cannot say: that 1.0 is no whole number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from types import NoneType
from typing import Any, Final, Literal, get_args, get_origin
from uuid import UUID

from notifications.protocol.json_conversion import to_json
from notifications.protocol.json_types import fits, is_record, is_sequence, is_union, keys_of, required_keys

Schema = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_PLAIN: Final[Mapping[Any, Schema]] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    None: {"type": "null"},
    NoneType: {"type": "null"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    UUID: {"type": "string", "format": "uuid"},
    Any: {},
    object: {},
}


def schema_of(record: Any, *, secret: Iterable[str] = ()) -> Schema:
    """Return the schema of the object of a dataclass or a ``TypedDict``, whole in itself.

    Args:
        record: the class.
        secret: the keys whose values are not shown to readers.

    Raises:
        TypeError: an annotation names something that JSON has no form for.
        NameError: an annotation names something that is not there.
    """
    builder = _Builder()
    schema = {"$schema": DIALECT, **builder.of_record(record)}
    for name in secret:
        schema["properties"][name] = {**schema["properties"][name], "writeOnly": True}
    return schema | ({"$defs": builder.definitions} if builder.definitions else {})


class _Builder:
    """Builds schemas that share their definitions, so that a class may name itself."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}
        self._names: dict[Any, str] = {}

    def of_record(self, record: Any) -> Schema:
        """Return the schema of an object with declared keys, and no other."""
        properties = {name: self._of(hint) for name, hint in keys_of(record).items()}
        for name, default in _defaults(record).items():
            properties[name] = {**properties[name], "default": default}
        schema: Schema = {"type": "object", "properties": properties}
        if required := required_keys(record):
            schema["required"] = [name for name in properties if name in required]
        return schema | {"additionalProperties": False}

    def _of(self, hint: Any) -> Schema:
        if hint in _PLAIN:
            return dict(_PLAIN[hint])
        if is_union(hint):
            return _any_of([self._of(arg) for arg in get_args(hint)])
        if get_origin(hint) is Literal:
            return {"enum": list(get_args(hint))}
        if hasattr(hint, "__supertype__"):  # a NewType
            return self._of(hint.__supertype__)
        if is_record(hint):
            return {"$ref": f"#/$defs/{self._define(hint)}"}
        kind = get_origin(hint) or hint
        if isinstance(kind, type) and issubclass(kind, Enum):
            return {"enum": [member.value for member in kind]}
        if isinstance(kind, type) and issubclass(kind, Mapping):
            return self._of_mapping(hint)
        if is_sequence(kind):
            return self._of_list(get_args(hint))
        raise TypeError(f"JSON has no form for {hint}")

    def _of_mapping(self, hint: Any) -> Schema:
        if not (args := get_args(hint)):
            return {"type": "object"}
        if args[0] is not str:
            raise TypeError(f"the keys of a JSON object are text; {hint} has others")
        values = self._of(args[1])
        return {"type": "object"} | ({"additionalProperties": values} if values else {})

    def _of_list(self, args: tuple[Any, ...]) -> Schema:
        if len(args) > 1 and args[-1] is not Ellipsis:  # a tuple of fixed length
            return {"type": "array", "prefixItems": [self._of(arg) for arg in args], "minItems": len(args),
                    "items": False}  # fmt: skip
        items = self._of(args[0]) if args else {}
        return {"type": "array"} | ({"items": items} if items else {})

    def _define(self, record: Any) -> str:
        """Define a class once, and return the name of its definition."""
        if record not in self._names:
            name, number = record.__name__, 1
            while name in self.definitions:
                number += 1
                name = f"{record.__name__}{number}"
            self._names[record] = name
            self.definitions[name] = {}  # the name is taken while the class may name itself
            self.definitions[name] = self.of_record(record)
        return self._names[record]


def _any_of(schemas: list[Schema]) -> Schema:
    if {} in schemas:
        return {}
    if all(schema.keys() == {"type"} for schema in schemas):
        return {"type": [schema["type"] for schema in schemas]}
    return {"anyOf": schemas}


def _defaults(record: Any) -> dict[str, Any]:
    """Return what keys stand for that are left out, where that is always the same."""
    if not is_dataclass(record):
        return {}
    hints = keys_of(record)
    given = {field.name: field.default for field in fields(record) if field.default is not MISSING}
    return {
        name: to_json(default, hints[name]) for name, default in given.items() if fits(default, hints[name])
    }
