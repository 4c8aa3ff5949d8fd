"""Seals every message between processes: only those of this installation can make or read it.

A message may hold content, and Redis may be shared with another hub, with other programs, and with people who
look at it. So a message is encrypted and authenticated (AES-GCM), including the keys of the users whom it is
for. Each process encrypts with a key of its own, which is derived from the installation's key and a salt that
the message carries. A message that cannot be opened is dropped and counted.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any, Final, Literal

import msgpack
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from notifications import selectors
from notifications.streaming.addressing import Address
from notifications.streaming.database_threads import in_database_thread
from notifications.streaming.hints.messages import GROUP_PREFIX, group_of
from notifications.streaming.metrics import METRICS
from notifications.system.installation import Installation, InstallationKey

logger = logging.getLogger(__name__)

# Our own messages have less than a quarter of this.
MAX_SEALED_BYTES: Final = 2**22
# With so few messages, two equal random nonces under one key are practically impossible.
MAX_MESSAGES_PER_SALT: Final = 2**30
MAX_KNOWN_PROCESSES: Final = 1_024  # whose keys are remembered; the key of any other is derived again
_MESSAGE_TYPE: Final = "notifications.sealed"
_PURPOSE: Final = "channel layer"
_SALT_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_HEAD_BYTES: Final = _SALT_BYTES + _NONCE_BYTES
_OVERHEAD_BYTES: Final = _HEAD_BYTES + 16

DropReason = Literal["foreign", "broken", "too_large"]
_MEANING: Final[Mapping[DropReason, str]] = {
    "foreign": "it was sealed by another installation, with another SECRET_KEY, or not at all",
    "broken": "its seal is broken: somebody has changed or forged it",
    "too_large": f"it has more than {MAX_SEALED_BYTES:,} bytes",
}


class Seal:
    """Seals and opens the messages of one process. Safe in any thread.

    Args:
        installation: the installation that the process belongs to. Its former keys open messages, but never
            seal any.
    """

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._keys = {key.name: key for key in installation.keys}
        self._cipher_of = lru_cache(MAX_KNOWN_PROCESSES)(_cipher)
        self._renew_salt()

    @property
    def name(self) -> str:
        """The name of the installation."""
        return self._installation.name

    @property
    def channel_prefix(self) -> str:
        """The prefix of the names of this process's channels."""
        return f"{GROUP_PREFIX}{self.name}"

    def group(self, address: Address) -> str:
        """Return the group to which messages for an address are sent."""
        return group_of(address, installation=self.name)

    def groups(self, address: Address) -> list[str]:
        """Return the groups to which messages for an address may be sent.

        There are several, because a process that still has a former key sends to the group of that key.
        """
        return [group_of(address, installation=name) for name in self._keys]

    def seal(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Seal a message.

        Raises:
            ValueError: it is larger than any process would open.
        """
        text: bytes = msgpack.packb(message)
        if len(text) > MAX_SEALED_BYTES:
            raise ValueError(f"a message has {len(text):,} bytes; {MAX_SEALED_BYTES:,} are the most")
        if self._messages_left <= 0:
            self._renew_salt()
        self._messages_left -= 1
        # Random and not counted, because a child of fork() has the same object.
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._salt + nonce + self._own_cipher.encrypt(nonce, text, _associated_data(self.name))
        return {"type": _MESSAGE_TYPE, "by": self.name, "sealed": sealed}

    def open(self, message: Any) -> Any:
        """Return the message that was sealed; None for one that this installation has not sealed.

        Those are counted.
        """
        match message:
            case {"type": str(kind), "by": str(name), "sealed": bytes(sealed)} if (
                kind == _MESSAGE_TYPE and name in self._keys
            ):
                return self._open(self._keys[name], sealed)
            case _:
                _drop("foreign")
                return None

    def _open(self, key: InstallationKey, sealed: bytes) -> Any:
        # Checked before any work is done on it.
        if len(sealed) > MAX_SEALED_BYTES + _OVERHEAD_BYTES:
            _drop("too_large")
            return None
        salt, nonce = sealed[:_SALT_BYTES], sealed[_SALT_BYTES:_HEAD_BYTES]
        try:
            text = self._cipher_of(key, salt).decrypt(nonce, sealed[_HEAD_BYTES:], _associated_data(key.name))
            return msgpack.unpackb(text)
        except (InvalidTag, ValueError):
            _drop("broken")
            return None

    def _renew_salt(self) -> None:
        self._salt = os.urandom(_SALT_BYTES)
        self._own_cipher = _cipher(self._installation.current, self._salt)
        self._messages_left = MAX_MESSAGES_PER_SALT


def current_seal() -> Seal:
    """Return this process's seal.

    The first call asks the database for the installation. It may be made in any thread without a running
    event loop.

    Raises:
        DatabaseError: the installation is not known yet; the next call asks again.
    """
    return _seal_of(selectors.installation())


async def find_seal() -> Seal:
    """Return this process's seal on a running event loop; a database thread asks for the installation."""
    known = selectors.known_installation()
    return _seal_of(known) if known is not None else await in_database_thread(current_seal)


@lru_cache(maxsize=1)
def _seal_of(installation: Installation) -> Seal:
    return Seal(installation)


def _cipher(key: InstallationKey, salt: bytes) -> AESGCM:
    return AESGCM(key.subkey(_PURPOSE, salt=salt))


def _associated_data(name: str) -> bytes:
    """Return the AEAD's associated data: no message can pass for one of another kind or installation."""
    return f"{_MESSAGE_TYPE} {name}".encode()


def _drop(why: DropReason) -> None:
    METRICS.refused_messages[why] += 1
    _warn_of(why)


@cache
def _warn_of(why: DropReason) -> None:
    """Warn once for each reason, so that nobody who can write to Redis can fill the log."""
    logger.warning(
        "A message of the channel layer was dropped: %s. Further ones are only counted; manage.py doctor "
        "looks for its sender.",
        _MEANING[why],
    )
