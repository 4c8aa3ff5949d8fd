"""The client of a request: its address and agent, fit to be stored and shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.http import HttpRequest

from notifications.http.user_agents import describe_agent, printable_agent
from notifications.system.addresses import normal_address


@dataclass(frozen=True, kw_only=True)
class Client:
    """The client that sent a request.

    Attributes:
        address: an IP address in its normal form; empty when there is none, over a Unix socket for example.
        agent: the ``User-Agent`` header, printable and cut to 300 characters.
    """

    address: str = ""
    agent: str = ""

    @property
    def browser(self) -> str:
        """A description of the agent in words; empty when the agent is not known."""
        return describe_agent(self.agent)


NOBODY: Final = Client()


def client_of(request: HttpRequest | None) -> Client:
    """Return the client of a request; ``NOBODY`` without a request, or for one that was made in code."""
    if request is None:
        return NOBODY
    return Client(
        address=normal_address(str(request.META.get("REMOTE_ADDR") or "")) or "",
        agent=printable_agent(str(request.META.get("HTTP_USER_AGENT", ""))),
    )
