"""Seals every message between processes, so that only processes of this installation can read it or have made
it.

A message may carry content, and Redis may be shared: with another hub, with other programs, with whoever
looks at it. So what travels is encrypted and authenticated (AES-GCM), with the users whom it is for inside.
Each process encrypts with a key of its own, derived from the installation's by a salt that goes with the
message. A message that does not open is dropped and counted.
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
from notifications.streaming.database_threads import in_pool
from notifications.streaming.hints.messages import GROUP_PREFIX, group_of
from notifications.streaming.metrics import METRICS
from notifications.system.installation import Installation, InstallationKey

logger = logging.getLogger(__name__)

# Messages are made to have less than a quarter of that.
MAX_SEALED_BYTES: Final = 2**22
# So that two random nonces under one key stay as good as impossible.
MAX_MESSAGES_PER_SALT: Final = 2**30
MAX_KNOWN_PROCESSES: Final = 1_024  # whose keys are remembered; any other costs a derivation
_MESSAGE_TYPE: Final = "notifications.sealed"
_PURPOSE: Final = "channel layer"
_SALT_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_HEAD_BYTES: Final = _SALT_BYTES + _NONCE_BYTES
_OVERHEAD_BYTES: Final = _HEAD_BYTES + 16

Refusal = Literal["foreign", "broken", "too_large"]
_MEANING: Final[Mapping[Refusal, str]] = {
    "foreign": "it was sealed by another installation, with another SECRET_KEY, or not at all",
    "broken": "its seal is broken: somebody has changed or forged it",
    "too_large": f"it has more than {MAX_SEALED_BYTES:,} bytes",
}


class Seal:
    """What seals and opens the messages of one process. Any thread.

    Args:
        installation: the one that the process belongs to. Former keys open, and never seal.
    """

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._keys = {key.name: key for key in installation.keys}
        self._opener = lru_cache(MAX_KNOWN_PROCESSES)(_cipher)
        self._renew()

    @property
    def name(self) -> str:
        """The name of the installation."""
        return self._installation.name

    @property
    def channel_prefix(self) -> str:
        """What the names of this process's channels begin with."""
        return f"{GROUP_PREFIX}{self.name}"

    def group(self, address: Address) -> str:
        """The group that messages for an address are sent to."""
        return group_of(address, installation=self.name)

    def groups(self, address: Address) -> list[str]:
        """The groups at which messages for an address may come: processes that still have a former key send
        to its group.
        """
        return [group_of(address, installation=name) for name in self._keys]

    def close(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Seal a message.

        Raises:
            ValueError: it is so large that nobody would open it.
        """
        text: bytes = msgpack.packb(message)
        if len(text) > MAX_SEALED_BYTES:
            raise ValueError(f"a message has {len(text):,} bytes; {MAX_SEALED_BYTES:,} are the most")
        if self._left <= 0:
            self._renew()
        self._left -= 1
        # Random rather than counted: a child of fork() has this very object.
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._salt + nonce + self._closer.encrypt(nonce, text, _bound_to(self.name))
        return {"type": _MESSAGE_TYPE, "by": self.name, "sealed": sealed}

    def open(self, message: Any) -> Any:
        """The message that was sealed; None for one that this installation has not sealed, which is
        counted.
        """
        match message:
            case {"type": str(kind), "by": str(name), "sealed": bytes(sealed)} if (
                kind == _MESSAGE_TYPE and name in self._keys
            ):
                return self._open(self._keys[name], sealed)
            case _:
                _refuse("foreign")
                return None

    def _open(self, key: InstallationKey, sealed: bytes) -> Any:
        # Before anything is done with it.
        if len(sealed) > MAX_SEALED_BYTES + _OVERHEAD_BYTES:
            _refuse("too_large")
            return None
        salt, nonce = sealed[:_SALT_BYTES], sealed[_SALT_BYTES:_HEAD_BYTES]
        try:
            text = self._opener(key, salt).decrypt(nonce, sealed[_HEAD_BYTES:], _bound_to(key.name))
            return msgpack.unpackb(text)
        except (InvalidTag, ValueError):
            _refuse("broken")
            return None

    def _renew(self) -> None:
        self._salt = os.urandom(_SALT_BYTES)
        self._closer = _cipher(self._installation.current, self._salt)
        self._left = MAX_MESSAGES_PER_SALT


def current_seal() -> Seal:
    """This process's. The first call asks the database who the installation is, and may be made in any thread
    without a running loop.

    Raises:
        DatabaseError: that is not known yet; the next call asks again.
    """
    return _seal_of(selectors.installation())


async def find_seal() -> Seal:
    """The same, on a running loop: the first time the database is asked in the private pool."""
    known = selectors.known_installation()
    return _seal_of(known) if known is not None else await in_pool(current_seal)


@lru_cache(maxsize=1)
def _seal_of(installation: Installation) -> Seal:
    return Seal(installation)


def _cipher(key: InstallationKey, salt: bytes) -> AESGCM:
    return AESGCM(key.subkey(_PURPOSE, salt=salt))


def _bound_to(name: str) -> bytes:
    """What the seal holds fast besides the text: a message cannot be passed off as another kind's, or another
    installation's.
    """
    return f"{_MESSAGE_TYPE} {name}".encode()


def _refuse(why: Refusal) -> None:
    METRICS.refused_messages[why] += 1
    _warn_of(why)


@cache
def _warn_of(why: Refusal) -> None:
    """Once for each reason: whoever can write to Redis must not fill the log."""
    logger.warning(
        "A message of the channel layer was dropped: %s. Further ones are only counted; manage.py doctor "
        "looks for its sender.",
        _MEANING[why],
    )
