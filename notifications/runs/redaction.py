"""Redaction: what stands under a secret key is blanked before it leaves the process (protocol, section 9).

Pure, and total: whatever it is given, it returns something without the secrets that it could find, and where
it cannot look any deeper it blanks the whole. Running text is not searched; a text that is itself a JSON
object or list is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

REDACTED: Final = "[redacted]"
SECRET_ENDINGS: Final = (
    "password",
    "passwd",
    "secret",
    "token",
    "api_key",
    "authorization",
    "cookie",
    "private_key",
)
# Deeper than any JSON that the hub admits (32 levels), and far from where Python gives up.
_MAX_DEPTH: Final = 64
# Longer numerals are refused by Python; they only matter in a text that is written again.
_MAX_DIGITS: Final = 4_000


class _TooDeep(Exception):
    """There is more below than is looked at."""


class Redaction:
    """Blanks the values under secret keys.

    Args:
        endings: a key that ends in one of these is secret; case, ``-`` and ``_`` do not matter.
    """

    def __init__(self, endings: Iterable[str] = SECRET_ENDINGS) -> None:
        self._endings = tuple(filter(None, map(_plain, endings)))

    def is_secret(self, key: str) -> bool:
        """Whether what stands under a key is blanked."""
        return _plain(key).endswith(self._endings)

    def redact(self, value: Any) -> Any:
        """Copy a JSON value, with ``"[redacted]"`` in place of what is secret.

        Args:
            value: checked before, so that it is a tree; tuples become lists.
        """
        try:
            return self._value(value, _MAX_DEPTH)
        except _TooDeep:
            return REDACTED

    def _value(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self._text(str(value), depth)
        if not isinstance(value, (Mapping, list, tuple)):
            return value
        if depth == 0:
            raise _TooDeep
        if isinstance(value, Mapping):
            return {
                str(key): REDACTED if self.is_secret(str(key)) else self._value(child, depth - 1)
                for key, child in value.items()
            }
        return [self._value(child, depth - 1) for child in value]

    def _text(self, text: str, depth: int) -> str:
        """Look into a text that is itself JSON; one without secrets stays as it was written."""
        if text.lstrip()[:1] not in ("{", "["):
            return text
        if depth == 0:
            raise _TooDeep
        duplicates: list[bool] = []

        def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            found = dict(pairs)
            duplicates.append(len(found) != len(pairs))
            return found

        try:
            value = json.loads(text.strip(), object_pairs_hook=members, parse_int=_whole_number)
        except RecursionError:
            return REDACTED
        except ValueError:
            return text
        try:
            clean = self._value(value, depth - 1)
        except _TooDeep:
            return REDACTED
        # Of a key that stands there twice only the last was looked at, so the text is written again.
        is_clean = clean == value and not any(duplicates)
        return text if is_clean else json.dumps(clean, separators=(",", ":"))


def _plain(key: str) -> str:
    return key.casefold().replace("-", "").replace("_", "")


def _whole_number(numeral: str) -> int | None:
    return int(numeral) if len(numeral) <= _MAX_DIGITS else None
