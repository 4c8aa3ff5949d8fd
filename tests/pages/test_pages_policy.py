"""What the page's client decides, as tables."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Page

from tests.pages.scripts import FOLDER, call

pytestmark = [pytest.mark.browser, pytest.mark.shape("embedded")]


def decide(page: Page, function: str, *arguments: Any) -> Any:
    """One of policy.js's functions."""
    return call(page, "policy.js", f"(module, given) => module.{function}(...given)", list(arguments))


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("abcdefgh-0", {"epoch": "abcdefgh", "position": 0}),
        ("a2b3c4d5-1234567890123456", {"epoch": "a2b3c4d5", "position": 1234567890123456}),
        ("abcdefgh-01", None),
        ("abcdefgh-12345678901234567", None),
        ("abcdefg1-1", None),
        ("ABCDEFGH-1", None),
        ("abcdefgh-1 ", None),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_cursor__by_its_grammar__is_read_or_refused(page: Page, text: Any, parsed: Any) -> None:
    assert decide(page, "parseCursor", text) == parsed


@pytest.mark.parametrize(
    ("cursor", "seen", "newer"),
    [
        ("abcdefgh-10", "abcdefgh-9", True),
        ("abcdefgh-9", "abcdefgh-9", False),
        ("abcdefgh-9", "abcdefgh-10", False),
        ("abcdefgh-1", "zzzzzzzz-9", True),
        ("abcdefgh-0", None, True),
    ],
)
def test_cursor__against_what_was_seen__is_newer_by_number_or_by_epoch(
    page: Page, cursor: str, seen: str | None, newer: bool
) -> None:
    assert decide(page, "isNewer", cursor, seen) is newer


@pytest.mark.parametrize(
    ("status", "body", "retry_after", "decision"),
    [
        # A captive portal's page, say.
        (200, None, None, {"next": "wait", "afterMs": 1000}),
        (401, {"code": "not_authenticated"}, None, {"next": "signed-out"}),
        (410, {"cursor": "abcdefgh-4"}, None, {"next": "reset", "cursor": "abcdefgh-4"}),
        (400, {"code": "cursor_malformed"}, None, {"next": "reset", "cursor": None}),
        (429, {}, "30", {"next": "wait", "afterMs": 30_000}),
        (503, {}, "soon", {"next": "wait", "afterMs": 1000}),
        (502, None, None, {"next": "wait", "afterMs": 1000}),
        (0, None, None, {"next": "wait", "afterMs": 1000}),
    ],
)
def test_poll__by_its_answer__is_applied_reset_signed_out_or_tried_again(
    page: Page, status: int, body: Any, retry_after: str | None, decision: dict[str, Any]
) -> None:
    answer = {"ok": False, "status": status, "body": body, "retryAfter": retry_after}
    assert decide(page, "afterPoll", answer, 1, 0.5) == decision
    assert decide(page, "afterPoll", {**answer, "ok": True, "status": 200}, 1, 0.5) == {"next": "apply"}


@pytest.mark.parametrize(
    ("close", "decision"),
    [
        ({"reason": "rotate", "reconnect": True, "retry_ms": 700}, {"next": "resume", "withinMs": 10_700}),
        ({"reason": "shutdown", "reconnect": True, "retry_ms": 0}, {"next": "resume", "withinMs": 10_000}),
        ({"reason": "new_reason", "reconnect": True, "retry_ms": 5}, {"next": "resume", "withinMs": 10_005}),
        (
            {"reason": "limit", "reconnect": True, "retry_ms": 60_000},
            {"next": "poll", "streamAfterMs": 60_000},
        ),
        (
            {"reason": "revoked", "reconnect": False, "retry_ms": 86_400_000},
            {"next": "poll", "streamAfterMs": None},
        ),
    ],
)
def test_stream_close__by_its_reason__is_left_to_the_browser_or_polled(
    page: Page, close: dict[str, Any], decision: dict[str, Any]
) -> None:
    assert decide(page, "afterClose", close) == decision


def test_backoff__doubles_up_to_five_minutes_and_spreads_by_a_quarter(page: Page) -> None:
    middle = [decide(page, "backoffMs", failures, 1000, 0.5) for failures in (1, 2, 3, 9, 10, 500)]
    assert middle == [1000, 2000, 4000, 256_000, 300_000, 300_000]
    assert decide(page, "backoffMs", 1, 1000, 0) == 750
    assert decide(page, "backoffMs", 1, 1000, 0.999) <= 1250


@pytest.mark.parametrize(("header", "seconds"), [("3", 3), ("60", 60), (None, 15), ("0", 15), ("soon", 15)])
def test_poll_interval__as_the_hub_says__or_fifteen_seconds(
    page: Page, header: str | None, seconds: int
) -> None:
    assert decide(page, "pollSeconds", header) == seconds


def test_silence__of_two_heartbeats_and_five_seconds__is_the_limit(page: Page) -> None:
    assert decide(page, "silenceLimitMs", 15) == 35_000


@pytest.mark.parametrize(
    "url",
    ["/", "/orders/7/", "/a?b=c#d", "https://example.com/x", "HTTP://example.com", "http://[::1]:8000/"],
)
def test_url__path_or_http__becomes_a_link(page: Page, url: str) -> None:
    assert decide(page, "safeHref", url) == url


@pytest.mark.parametrize(
    "url",
    ["", None, "javascript:alert(1)", "//evil.example", "/\\evil.example", "data:text/html,x", "orders/7",
     " /x", "java\nscript:alert(1)", "/\t/evil.example", "https:/\\evil.example", "https:///evil", "ftp://x"],
)  # fmt: skip
def test_url__anything_else__becomes_no_link(page: Page, url: str | None) -> None:
    assert decide(page, "safeHref", url) is None


def test_strings__of_python_and_script__are_the_same_words(page: Page) -> None:
    from notifications.pages.strings import STRINGS

    english = call(
        page,
        "strings.js",
        "({text, stringKeys}) => Object.fromEntries(stringKeys().map((key) => [key, text(key)]))",
    )
    assert english == {key: str(words) for key, words in STRINGS.items()}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "now"),
        (59, "now"),
        (60, "1 min. ago"),
        (7199, "1 hr. ago"),
        (86_400, "yesterday"),
        (691_200, "last wk."),
    ],
)
def test_time__as_a_reader_says_it(page: Page, seconds: int, words: str) -> None:
    at = "(module, seconds) => module.relativeTime(0, seconds * 1000, 'en')"
    assert call(page, "time.js", at, seconds) == words


@pytest.mark.parametrize(
    ("lang", "tag"),
    [
        ("de", "de"),
        ("pt_BR", "pt-BR"),
        ("pt_BR.UTF-8", "pt-BR"),
        ("ca_ES@valencia", "ca-ES"),
        ("de-DE-", "de"),
        ("zh_hant_tw", "zh-Hant-TW"),
        ("", "en"),
        ("C", "en"),
        ("not a language!", "not"),
        ("-", "en"),
        ("123", "en"),
    ],
)
def test_language__of_any_page__is_one_that_the_browser_formats_by(page: Page, lang: str, tag: str) -> None:
    found = call(page, "time.js", "({languageTag}, lang) => languageTag(lang)", lang)
    assert found == tag
    assert call(page, "time.js", "(module, lang) => module.relativeTime(0, 60000, lang)", found)


def test_time__that_is_none__is_left_alone(page: Page) -> None:
    shown = """({showTime}) => {
      const element = document.createElement("time");
      element.dateTime = "soon";
      showTime(element);
      return element.textContent;
    }"""
    assert call(page, "time.js", shown) == ""


def test_icons__drawn_by_the_script__are_those_of_the_file(page: Page) -> None:
    drawn = call(page, "icons.js", "({ICONS}) => ICONS")
    root = ElementTree.parse(FOLDER / "icons.svg").getroot()
    in_file = {
        symbol.get("id"): [[shape.tag.rpartition("}")[2], dict(shape.attrib)] for shape in symbol]
        for symbol in root
    }
    assert drawn == in_file


def test_colours__for_browsers_that_know_no_pairs__are_the_light_ones() -> None:
    pairs, _, plain = (FOLDER / "theme.css").read_text().partition("@supports")
    light = re.sub(r"light-dark\((#\w+|rgb\([^)]*\)), (?:#\w+|rgb\([^)]*\))\)", r"\1", pairs)

    def properties(css: str) -> dict[str, str]:
        return {name: " ".join(value.split()) for name, value in re.findall(r"(--hub-[\w-]+):([^;]+);", css)}

    assert properties(plain) == {
        name: value for name, value in properties(light).items() if properties(pairs)[name] != value
    }
