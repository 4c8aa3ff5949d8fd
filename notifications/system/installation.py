"""The names and keys of this installation, derived and never stored. Pure.

They keep two hubs on one Redis server from hearing each other. All processes of one installation derive the
same from what they share: Django's SECRET_KEY, and what tells their database from any other
(``selectors.installation`` reads that). A copy of the database is another installation, although it has the
same contents and may have the same key. Former keys (SECRET_KEY_FALLBACKS) are derived too, for messages from
processes that do not have the new key yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES: Final = 32
_NAME_BYTES: Final = 8  # guards against accidents only; the seal guards against attackers
_SALT: Final = b"notifications.installation"


@dataclass(frozen=True, slots=True)
class InstallationKey:
    """Everything that is derived from one SECRET_KEY.

    Attributes:
        name: part of the names of groups, and no secret: 16 hexadecimal digits.
    """

    name: str
    _root: bytes = field(repr=False)

    def subkey(self, purpose: str, *, salt: bytes) -> bytes:
        """Return a key for one purpose and one salt; no such key reveals anything about another."""
        return _derive(self._root, salt=salt, info=purpose)


@dataclass(frozen=True, slots=True)
class Installation:
    """The keys of one installation.

    Attributes:
        current: the key that everything is sent with.
        former: keys whose messages are still understood, the newest first.
    """

    current: InstallationKey
    former: tuple[InstallationKey, ...] = ()

    @property
    def keys(self) -> tuple[InstallationKey, ...]:
        """All keys, the current one first."""
        return (self.current, *self.former)

    @property
    def name(self) -> str:
        """The name of the current key."""
        return self.current.name

    @classmethod
    def derive(cls, secret: str | bytes, former: Iterable[str | bytes], *, identity: str) -> Installation:
        """Derive an installation.

        Args:
            secret: Django's SECRET_KEY.
            former: its SECRET_KEY_FALLBACKS.
            identity: what no other installation has that might have the same secret.
        """
        roots = dict.fromkeys(
            _derive(_as_bytes(each), salt=_SALT, info=identity) for each in (secret, *former)
        )
        current, *others = (
            InstallationKey(_derive(root, salt=b"", info="name")[:_NAME_BYTES].hex(), root) for root in roots
        )
        return cls(current, tuple(others))


def _derive(secret: bytes, *, salt: bytes, info: str) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt, info.encode("utf-8", "surrogatepass")).derive(secret)


def _as_bytes(secret: str | bytes) -> bytes:
    return secret.encode() if isinstance(secret, str) else secret
