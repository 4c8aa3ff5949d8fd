"""Network addresses: one spelling for each, and whose a request is when it came through proxies.

The address of a client is its peer's. Only when the peer is a *trusted proxy* (``HUB_TRUSTED_PROXIES``) is
``X-Forwarded-For`` read, from the right: each trusted proxy has appended whom it was asked by, and what
stands left of the first address that is not trusted was written by a stranger.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

# The peer on a Unix socket, which has no address.
UNIX_SOCKET: Final = "unix"


def normal_address(text: str) -> str | None:
    """One spelling for each IP address, without a zone and with IPv4 as itself; None for what is no
    address.
    """
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


class TrustedProxies:
    """The proxies whose word is taken.

    Args:
        names: IP addresses, networks like ``10.0.0.0/8``, and ``unix`` for whoever may open the Unix socket.

    Raises:
        ValueError: one of them is none of these; the message is the one that is wrong.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._networks: list[IPv4Network | IPv6Network] = []
        self._is_unix_trusted = False
        for name in names:
            if name == UNIX_SOCKET:
                self._is_unix_trusted = True
                continue
            try:
                self._networks.append(ip_network(name))
            except ValueError as error:
                raise ValueError(name) from error

    def __contains__(self, address: str | None) -> bool:
        """Whether a peer, by its normal address (None on a Unix socket), is one of them."""
        if address is None:
            return self._is_unix_trusted
        return any(ip_address(address) in network for network in self._networks)

    def client_address(self, peer: str | None, forwarded_for: Sequence[str]) -> str | None:
        """The address of the client.

        Args:
            peer: the normal address at the other end of the connection; None on a Unix socket.
            forwarded_for: the values of ``X-Forwarded-For``, in order.
        """
        client = peer
        for name in reversed([part for value in forwarded_for for part in value.split(",")]):
            if client not in self:
                break
            told = normal_address(_without_port(name.strip()))
            # A proxy that names nobody: the nearest that is known has to do.
            if told is None:
                break
            client = told
        return client


@lru_cache(maxsize=4)
def trusted_proxies(names: tuple[str, ...]) -> TrustedProxies:
    """The same object for the same names.

    Raises:
        ValueError: as ``TrustedProxies``.
    """
    return TrustedProxies(names)


def _without_port(text: str) -> str:
    """``192.0.2.1:4711`` and ``[2001:db8::1]:4711``, which some proxies write, without their ends."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
