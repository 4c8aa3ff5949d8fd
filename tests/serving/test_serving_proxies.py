"""What a trusted proxy says of its client is believed, and what anybody else claims is dropped."""

from __future__ import annotations

from typing import Any

import pytest

from notifications.serving.proxies import settle_client

pytestmark = pytest.mark.shape("embedded")


STRANGER = "198.51.100.7"


def settled(settings: Any, client: tuple[str, int] | None, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    settings.NOTIFICATION_HUB = {"trusted_proxies": ("10.0.0.1",)}
    scope: dict[str, Any] = {"type": "http", "client": client, "headers": list(headers)}
    settle_client(scope)
    return scope


FORWARDED = ((b"x-forwarded-for", STRANGER.encode()), (b"x-forwarded-proto", b"https"), (b"accept", b"*/*"))


def test_settle_client__of_a_trusted_proxy__believes_it(settings: Any) -> None:
    scope = settled(settings, ("10.0.0.1", 5), *FORWARDED)
    assert scope["client"] == (STRANGER, 0)
    assert scope["headers"] == list(FORWARDED)


@pytest.mark.parametrize("client", [(STRANGER, 5), ("10.0.0.2", 5), ("nonsense", 0), None])
def test_settle_client__of_anybody_else__drops_what_is_claimed(
    settings: Any, client: tuple[str, int] | None
) -> None:
    odd = ((b"X-Forwarded-Host", b"evil.example"), (b"x_forwarded_proto", b"https"))
    scope = settled(settings, client, *FORWARDED, *odd)
    assert scope["client"] == client
    assert scope["headers"] == [(b"accept", b"*/*")]
