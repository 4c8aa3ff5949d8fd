"""Describes a ``User-Agent`` header in words that people know, such as "Firefox on Linux".

Pure. The header is whatever the client wrote: it helps people to recognise their own devices, and proves
nothing. Products imitate each other (Edge names Chrome, Chrome names Safari), so the tables are read from the
most specific entry down.
"""

from __future__ import annotations

from typing import Final

MAX_AGENT_LENGTH: Final = 300

_BROWSERS: Final = (
    ("edg/", "Edge"),
    ("edga/", "Edge"),
    ("edgios/", "Edge"),
    ("opr/", "Opera"),
    ("opera", "Opera"),
    ("vivaldi/", "Vivaldi"),
    ("samsungbrowser/", "Samsung Internet"),
    ("firefox/", "Firefox"),
    ("fxios/", "Firefox"),
    ("crios/", "Chrome"),
    ("headlesschrome/", "Chrome"),
    ("chromium/", "Chromium"),
    ("chrome/", "Chrome"),
    ("safari/", "Safari"),
)
_TOOLS: Final = (
    ("curl/", "curl"),
    ("wget/", "Wget"),
    ("httpie/", "HTTPie"),
    ("python-requests/", "Python"),
    ("python-httpx/", "Python"),
    ("python-urllib/", "Python"),
    ("aiohttp/", "Python"),
    ("go-http-client/", "Go"),
    ("okhttp/", "OkHttp"),
    ("node", "Node.js"),
)
_SYSTEMS: Final = (
    ("iphone", "iOS"),
    ("ipad", "iPadOS"),
    ("android", "Android"),
    ("windows", "Windows"),
    ("cros ", "ChromeOS"),
    ("macintosh", "macOS"),
    ("mac os x", "macOS"),
    ("darwin", "macOS"),
    ("linux", "Linux"),
    ("freebsd", "FreeBSD"),
    ("openbsd", "OpenBSD"),
)


def printable_agent(text: str) -> str:
    """Return a ``User-Agent`` as it can be stored and shown: printable, and cut to 300 characters."""
    cut = text[:MAX_AGENT_LENGTH]
    return cut if cut.isprintable() else "".join(filter(str.isprintable, cut))


def describe_agent(agent: str) -> str:
    """Name the browser and the system of a ``User-Agent``.

    When one of the two is not known, only the other is named; empty when neither is.
    """
    text = agent.lower()
    client = _first(_BROWSERS, text) or _first(_TOOLS, text)
    system = _first(_SYSTEMS, text)
    return f"{client} on {system}" if client and system else client or system


def _first(table: tuple[tuple[str, str], ...], text: str) -> str:
    return next((name for token, name in table if token in text), "")
