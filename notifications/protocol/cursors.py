"""The one cursor of stream, polling delta, ETag and admin: ``<epoch>-<position>`` (protocol, section 1).

Pure: no database, no clock. A cursor is *usable* for an inbox when it names the inbox's epoch and a position
from its floor to its head; from such a cursor the log resumes exactly at the next change.
"""

from __future__ import annotations

import re
import secrets
from base64 import b32encode
from dataclasses import dataclass
from typing import Final

from notifications.exceptions import (
    CursorAhead,
    CursorEpoch,
    CursorExpired,
    MalformedCursor,
)

EPOCH_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
EPOCH_LENGTH: Final = 8
_GRAMMAR: Final = re.compile(r"([a-z2-7]{8})-(0|[1-9][0-9]{0,15})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in one inbox's log: everything up to and including ``position`` has been seen."""

    epoch: str
    position: int

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read a cursor as a client echoes it.

        Raises:
            MalformedCursor: the text does not match the grammar.
        """
        match = _GRAMMAR.fullmatch(text)
        if match is None:
            raise MalformedCursor
        return cls(match[1], int(match[2]))

    def __str__(self) -> str:
        return cursor_text(self.epoch, self.position)

    def check_usable(self, *, epoch: str, floor: int, head: int) -> None:
        """Check that the log can be resumed exactly from here.

        Args:
            epoch: the inbox's epoch now.
            floor: positions up to here have been compacted.
            head: the newest position.

        Raises:
            CursorEpoch, CursorAhead, CursorExpired: it cannot, for the reason that the class names.
        """
        newest = str(Cursor(epoch, head))
        if self.epoch != epoch:
            raise CursorEpoch(head=newest)
        if self.position > head:
            raise CursorAhead(head=newest)
        if self.position < floor:
            raise CursorExpired(head=newest)


def cursor_text(epoch: str, position: int) -> str:
    """Return a cursor as text without making the object, because very many changes are rendered."""
    return f"{epoch}-{position}"


def new_epoch() -> str:
    """Return eight random characters of ``[a-z2-7]`` (40 bit): two inboxes practically never share them."""
    # Base 32 has this very alphabet, and five bytes are eight of its characters.
    return b32encode(secrets.token_bytes(5)).decode("ascii").lower()
