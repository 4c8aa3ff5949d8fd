"""Whose request it is: a table of honest proxies and of people who lie in their headers."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from notifications.conf import HubConfig, values_from_environ
from notifications.system.addresses import TrustedProxies, normal_address

pytestmark = pytest.mark.shape("embedded")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::1"),
        ("", None),
        ("unix:", None),
        ("192.0.2.7, 10.0.0.1", None),
    ],
)
def test_normal_address__has_one_spelling_for_each_address_and_none_for_anything_else(
    text: str, address: str | None
) -> None:
    assert normal_address(text) == address


PROXIES = ("10.0.0.0/8", "2001:db8:1::/48", "192.0.2.1")
STRANGER = "198.51.100.7"


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        # nobody in between, whatever is claimed
        (STRANGER, [], STRANGER),
        (STRANGER, ["203.0.113.9"], STRANGER),
        (STRANGER, ["203.0.113.9, 10.0.0.1"], STRANGER),
        # one proxy, two, and a second header
        ("10.0.0.1", [STRANGER], STRANGER),
        ("10.0.0.1", [f"{STRANGER}, 10.2.3.4"], STRANGER),
        ("10.0.0.1", [STRANGER, "10.2.3.4"], STRANGER),
        ("2001:db8:1::5", [f"{STRANGER},192.0.2.1"], STRANGER),
        # what a stranger wrote before the proxy appended his address
        ("10.0.0.1", [f"203.0.113.9, {STRANGER}"], STRANGER),
        ("10.0.0.1", [f"10.9.9.9, {STRANGER}"], STRANGER),
        ("10.0.0.1", ["127.0.0.1", f"::1,{STRANGER}"], STRANGER),
        ("10.0.0.1", [f"<script>, ', \x00, {STRANGER}"], STRANGER),
        # other spellings
        ("10.0.0.1", [f"{STRANGER}:4711"], STRANGER),
        ("10.0.0.1", ["[2001:db8::7]:4711"], "2001:db8::7"),
        ("10.0.0.1", ["[2001:db8::7]"], "2001:db8::7"),
        ("10.0.0.1", ["::ffff:198.51.100.7"], STRANGER),
        ("10.0.0.1", ["::ffff:10.0.0.9"], "10.0.0.9"),
        # a proxy that knows nobody, and a client among the proxies
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", ["unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", [f"{STRANGER}, "], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        # a Unix socket that is not trusted
        (None, [STRANGER], None),
    ],
)
def test_client_address__is_the_right_most_that_no_trusted_proxy_has(
    peer: str | None, forwarded_for: list[str], client: str | None
) -> None:
    assert TrustedProxies(PROXIES).client_address(peer, forwarded_for) == client


def test_client_address__over_a_trusted_unix_socket() -> None:
    trusted = TrustedProxies(["unix"])
    assert trusted.client_address(None, [f"203.0.113.9, {STRANGER}"]) == STRANGER
    assert trusted.client_address(None, []) is None
    assert trusted.client_address("10.0.0.1", [STRANGER]) == "10.0.0.1"


@pytest.mark.parametrize("name", ["10.0.0.1/8", "nginx", "10.0.0.0/33", "*", "10.0.0.1-10.0.0.9", "UNIX"])
def test_trusted_proxies__what_is_no_network__is_refused_by_name(name: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="HUB_TRUSTED_PROXIES cannot be") as refused:
        values_from_environ({"HUB_TRUSTED_PROXIES": f"127.0.0.1, {name}"})
    assert name in str(refused.value)


def test_trusted_proxies__as_a_django_setting__takes_the_same_values() -> None:
    values = values_from_environ({"HUB_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8,unix"})
    assert HubConfig.from_mapping(values).trusted_proxies == ("127.0.0.1", "10.0.0.0/8", "unix")
