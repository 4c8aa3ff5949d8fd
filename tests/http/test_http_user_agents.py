"""What a User-Agent header says in words."""

from __future__ import annotations

import pytest

from notifications.http.user_agents import describe_agent

pytestmark = pytest.mark.shape("embedded")

MOZILLA = "Mozilla/5.0"
WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        (f"{MOZILLA} (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0", "Firefox on Linux"),
        (f"{MOZILLA} (Android 15; Mobile; rv:153.0) Gecko/153.0 Firefox/153.0", "Firefox on Android"),
        (
            f"{MOZILLA} (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/156.0.0.0 Safari/537.36",
            "Chrome on Windows",
        ),
        (
            f"{MOZILLA} (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/156.0 Safari/537.36 Edg/156.0",
            "Edge on Windows",
        ),
        (
            f"{MOZILLA} (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/156.0.0.0 Safari/537.36",
            "Chrome on ChromeOS",
        ),
        (f"{MOZILLA} (X11; Linux x86_64) {WEBKIT} HeadlessChrome/156.0.0.0 Safari/537.36", "Chrome on Linux"),
        (
            f"{MOZILLA} (Linux; Android 10; K) {WEBKIT} Chrome/156.0.0.0 Mobile Safari/537.36",
            "Chrome on Android",
        ),
        (
            (
                f"{MOZILLA} (Linux; Android 14; SM-S901B) {WEBKIT} SamsungBrowser/28.0 Chrome/130.0 Mobile "
                "Safari/537.36"
            ),
            "Samsung Internet on Android",
        ),
        (
            f"{MOZILLA} (X11; Linux x86_64) {WEBKIT} Chrome/156.0.0.0 Safari/537.36 OPR/120.0",
            "Opera on Linux",
        ),
        (
            (
                f"{MOZILLA} (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
                "Version/26.0 Safari/605.1.15"
            ),
            "Safari on macOS",
        ),
        (
            (
                f"{MOZILLA} (iPhone; CPU iPhone OS 26_0 like Mac OS X) AppleWebKit/605.1.15 Version/26.0 "
                "Mobile Safari/604.1"
            ),
            "Safari on iOS",
        ),
        (
            (
                f"{MOZILLA} (iPad; CPU OS 26_0 like Mac OS X) AppleWebKit/605.1.15 CriOS/156.0 Mobile "
                "Safari/604.1"
            ),
            "Chrome on iPadOS",
        ),
        ("curl/8.5.0", "curl"),
        ("Wget/1.21.4 (linux-gnu)", "Wget on Linux"),
        ("python-httpx/0.28.1", "Python"),
        ("Go-http-client/2.0", "Go"),
        (f"{MOZILLA} (X11; FreeBSD amd64)", "FreeBSD"),
        ("something of our own", ""),
        ("", ""),
    ],
)
def test_describe_agent__names_browser_and_system(agent: str, said: str) -> None:
    assert describe_agent(agent) == said
