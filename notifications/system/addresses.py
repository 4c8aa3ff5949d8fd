"""Network addresses: one spelling for each, and the client's address behind proxies.

The address of a client is that of its peer. Only when the peer is a *trusted proxy* (``HUB_TRUSTED_PROXIES``)
is ``X-Forwarded-For`` read, from the right: each trusted proxy has appended the address that it was contacted
from, and whatever is left of the first address that is not trusted may have been written by anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

# The peer on a Unix socket, which has no address.
UNIX_SOCKET: Final = "unix"


def normal_address(text: str) -> str | None:
    """Return the one spelling of an IP address; None for text that is no address.

    A zone is dropped, and an IPv4 address in IPv6 form becomes IPv4.
    """
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


class TrustedProxies:
    """The proxies whose ``X-Forwarded`` headers are believed.

    Args:
        names: IP addresses, networks like ``10.0.0.0/8``, and ``unix`` for whoever may open the Unix socket.

    Raises:
        ValueError: a name is none of these; the message is that name.
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
        """Return whether a peer, by its normal address (None on a Unix socket), is one of them."""
        if address is None:
            return self._is_unix_trusted
        return any(ip_address(address) in network for network in self._networks)

    def client_address(self, peer: str | None, forwarded_for: Sequence[str]) -> str | None:
        """Return the address of the client.

        Args:
            peer: the normal address at the other end of the connection; None on a Unix socket.
            forwarded_for: the values of ``X-Forwarded-For``, in order.
        """
        client = peer
        for name in reversed([part for value in forwarded_for for part in value.split(",")]):
            if client not in self:
                break
            forwarded = normal_address(_without_port(name.strip()))
            # The proxy names no address, so the nearest known one is the client's.
            if forwarded is None:
                break
            client = forwarded
        return client


@lru_cache(maxsize=4)
def trusted_proxies(names: tuple[str, ...]) -> TrustedProxies:
    """Return the same object for the same names.

    Raises:
        ValueError: as ``TrustedProxies``.
    """
    return TrustedProxies(names)


def _without_port(text: str) -> str:
    """Remove the port from ``192.0.2.1:4711`` and ``[2001:db8::1]:4711``, which some proxies write."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
