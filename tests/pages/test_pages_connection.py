"""The page's link to the hub with a stream, answers and a clock in the test's hand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.pages.scripts import call, script_page

pytestmark = [pytest.mark.browser, pytest.mark.shape("embedded")]

SETUP = """
class FakeSource extends EventTarget {
  static CONNECTING = 0; static OPEN = 1; static CLOSED = 2;
  static all = [];
  readyState = 0;
  constructor(url) { super(); this.url = url; FakeSource.all.push(this); }
  close() { this.readyState = 2; }
}
globalThis.EventSource = FakeSource;
globalThis.told = [];
globalThis.answers = [];
globalThis.asked = [];
globalThis.stream = () => FakeSource.all.at(-1);
globalThis.send = (name, data) =>
  stream().dispatchEvent(new MessageEvent(name, {data: JSON.stringify(data)}));
globalThis.fail = (readyState) => { stream().readyState = readyState; stream().onerror(); };
globalThis.open = (resume, position, head = position) => send("stream.open",
  {cursor: cursor(position), head: cursor(head), unread_count: head, heartbeat: 15, resume});
globalThis.cursor = (position) => `abcdefgh-${position}`;
globalThis.change = (position) => ({change: "notification.created", cursor: cursor(position), position,
  unread_count: position, notification: {id: `n${position}`, position, title: "", body: "",
    category: "orders", level: "info", created_at: "2026-11-21T02:03:04.567890Z", read_at: null}});
globalThis.delta = (positions, more = {}) => ({status: 200, pollInterval: "20", body: {
  changes: positions.map(change), cursor: cursor(positions.at(-1) ?? 0), has_more: false,
  unread_count: positions.at(-1) ?? 0, ...more}});
"""
CONNECT = """async ({Connection}, after) => {
  const {isDelta} = await import("/shapes.js");
  const api = {
    isOurs: (inbox) => (inbox ?? "ours") === "ours",
    streamUrl: (after) => `stream?after=${after}`,
    changes: async (after) => {
      asked.push(after);
      const answer = {body: null, retryAfter: null, pollInterval: null, ...(answers.shift() ?? {status: 0})};
      return {...answer, ok: answer.status === 200 && isDelta(answer.body)};
    },
  };
  globalThis.connection = new Connection(api, "tab", {
    started: (cursor) => told.push(["started", cursor]),
    changed: (change, news) => told.push([news ? "news" : "known before", change.cursor]),
    counted: (unread, cursor) => told.push(["counted", unread, cursor]),
    shown: (notification) => told.push(["shown", notification.id]),
    emitted: (event) => told.push(["emitted", event.type, event.data]),
    linked: (link) => told.push([link.state]),
  });
  connection.start(after);
}"""


class Link:
    """A connection, what it was given, and what it has told since the last look."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def start(self, after: str | None = None) -> None:
        call(self.page, "connection.js", CONNECT, after)

    def run(self, script: str) -> None:
        """Let something happen to it."""
        self.page.evaluate(f"() => {{ {script} }}")

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.page.clock.run_for(round(seconds * 1000))

    def told(self) -> list[list[Any]]:
        told: list[list[Any]] = self.page.evaluate("async () => { await 0; return told.splice(0); }")
        return told

    def asked(self) -> list[str | None]:
        asked: list[str | None] = self.page.evaluate("asked.splice(0)")
        return asked

    def streams(self) -> list[str]:
        """The addresses of all streams that were opened."""
        urls: list[str] = self.page.evaluate("EventSource.all.map((source) => source.url)")
        return urls


@pytest.fixture
def link(browser: Browser) -> Iterator[Link]:
    with script_page(browser) as page:
        page.clock.install(time=0)
        page.clock.pause_at(60_000)  # from here on it stands still between two waits, however long those take
        page.evaluate(f"() => {{ {SETUP} }}")
        yield Link(page)


def test_stream__without_a_cursor__starts_at_its_own_and_goes_live(link: Link) -> None:
    link.start()
    link.run("open('none', 7); send('stream.live', {cursor: cursor(7)})")
    assert link.told() == [["started", "abcdefgh-7"], ["counted", 7, "abcdefgh-7"], ["live"]]


def test_stream__backlog_then_live__only_the_latter_is_news_and_nothing_comes_twice(link: Link) -> None:
    link.start("abcdefgh-3")
    link.run("open('exact', 3, 5); for (const n of [3, 4, 5]) send('notification.created', change(n))")
    link.run("send('stream.live', {}); for (const n of [5, 6]) send('notification.created', change(n))")
    assert link.told() == [
        ["counted", 5, "abcdefgh-5"], ["known before", "abcdefgh-4"], ["known before", "abcdefgh-5"],
        ["live"], ["news", "abcdefgh-6"],
    ]  # fmt: skip


def test_stream__reset__starts_anew_at_the_head(link: Link) -> None:
    link.start("zzzzzzzz-3")
    link.run("open('reset', 9); send('stream.reset', {reason: 'epoch', cursor: cursor(9)})")
    assert ["started", "abcdefgh-9"] in link.told()


def test_stream__refused_for_good__is_polled_from_the_last_cursor_and_tried_again(link: Link) -> None:
    link.start("abcdefgh-3")
    link.run("answers.push(delta([4]), delta([5])); fail(2)")
    assert link.told() == [
        ["reconnecting"],
        ["known before", "abcdefgh-4"],
        ["counted", 4, "abcdefgh-4"],
        ["polling"],
    ]
    link.wait(8)
    assert link.streams() == ["stream?after=abcdefgh-3", "stream?after=abcdefgh-4"]
    link.run("fail(2)")
    # Polling goes on at the hub's own interval, whatever becomes of the stream.
    link.wait(15)
    assert link.told() == [["news", "abcdefgh-5"], ["counted", 5, "abcdefgh-5"], ["polling"]]
    assert link.asked() == ["abcdefgh-3", "abcdefgh-4"]


def test_stream__back_while_polling__ends_the_polling(link: Link) -> None:
    link.start("abcdefgh-3")
    link.run("answers.push(delta([], {cursor: cursor(3)})); fail(2)")
    link.wait(8)
    link.run("open('exact', 3); send('stream.live', {})")
    assert link.told()[-1] == ["live"]
    link.asked()
    link.wait(30)
    assert link.asked() == []


def test_stream__that_never_opens__is_given_up_after_ten_seconds(link: Link) -> None:
    link.start("abcdefgh-3")
    link.run("answers.push(delta([4]))")
    link.wait(9.9)
    assert link.asked() == []
    link.wait(0.2)
    assert link.asked() == ["abcdefgh-3"]


def test_stream__silent_for_two_heartbeats_and_five_seconds__is_taken_for_dead(link: Link) -> None:
    link.start("abcdefgh-3")
    link.run("open('exact', 3); send('stream.live', {})")
    link.wait(34)
    link.run("send('stream.heartbeat', {})")
    link.wait(34)
    assert link.asked() == []
    link.run("answers.push(delta([4]))")
    link.wait(2)
    assert link.asked() == ["abcdefgh-3"]


def test_stream__cut_off__is_left_to_the_browser_and_resumes(link: Link) -> None:
    link.start("abcdefgh-3")
    link.run("open('exact', 3); send('stream.live', {}); fail(0)")
    assert link.told()[-1] == ["reconnecting"]
    link.run("open('exact', 3); send('stream.live', {})")
    assert link.told()[-1] == ["live"]
    assert len(link.streams()) == 1


LIVE = "open('exact', 3); send('stream.live', {})"


@pytest.mark.parametrize("frames", ["", "send('message', 'hello')", "open('exact', 3)", LIVE])
def test_stream__that_ends_at_once_again_and_again__is_polled_and_asked_less_and_less(
    link: Link, frames: str
) -> None:
    link.start("abcdefgh-3")
    link.run(f"globalThis.end = () => {{ {frames}; fail(0); }}")
    link.run("answers.push(...Array(99).fill(delta([4])));")
    # The browser comes back after a cut, but not for ever to an address where nothing lasts.
    link.run("end(); end(); end();")
    assert link.asked() == ["abcdefgh-3"]
    assert link.told()[-1] == ["polling"]
    pauses = []
    for _ in range(6):
        before = len(link.streams())
        seconds = 0
        while len(link.streams()) == before:
            link.wait(1)
            seconds += 1
        pauses.append(seconds)
        link.run("end()")
        link.told()
        assert link.page.evaluate("connection.link.state") == "polling"
    assert pauses[0] >= 4
    assert all(later >= 1.1 * earlier for earlier, later in itertools.pairwise(pauses))
    assert pauses[-1] >= 100


def test_stream__cut_off_now_and_then__stays_with_the_browser_and_its_failures_are_forgotten(
    link: Link,
) -> None:
    link.start("abcdefgh-3")
    for _ in range(9):
        link.run(LIVE)
        link.wait(20)
        link.run("fail(0)")
    assert link.asked() == []
    assert len(link.streams()) == 1


NONSENSE = [
    ("stream.open", "<html>"),
    ("stream.heartbeat", "7"),
    ("stream.close", "{}"),
    ("notification.created", "[]"),
]


@pytest.mark.parametrize(("name", "data"), NONSENSE)
def test_stream__of_nonsense__is_polled_instead_and_asked_less_and_less(
    link: Link, name: str, data: str
) -> None:
    link.start("abcdefgh-3")
    link.run(
        f"globalThis.babble = () => stream().dispatchEvent(new MessageEvent('{name}', {{data: '{data}'}}))"
    )
    link.run(f"{LIVE}; answers.push(delta([4])); babble()")
    assert link.asked() == ["abcdefgh-3"]
    assert link.told()[-1] == ["polling"]
    link.wait(7)
    assert len(link.streams()) == 2
    link.run("babble()")
    link.wait(7)
    assert len(link.streams()) == 2


@pytest.mark.parametrize("body", ["null", "{cursor: cursor(4)}"])
def test_poll__answered_with_something_else__is_tried_again_later(link: Link, body: str) -> None:
    link.start("abcdefgh-3")
    link.run(f"answers.push({{status: 200, body: {body}}}, delta([4])); fail(2)")
    assert link.told()[-1] == ["reconnecting"]
    link.wait(2)
    assert link.asked() == ["abcdefgh-3"] * 2
    assert link.told()[-1] == ["polling"]


def test_poll__that_says_more_and_gives_nothing__is_not_asked_without_an_end(link: Link) -> None:
    link.start("abcdefgh-3")
    link.run("answers.push(...Array(9).fill(delta([], {cursor: cursor(3), has_more: true}))); fail(2)")
    assert link.asked() == ["abcdefgh-3"]
    assert link.told()[-1] == ["polling"]


def test_stream_close__limit__is_polled_and_the_stream_tried_when_the_hub_said(link: Link) -> None:
    link.start("abcdefgh-3")
    link.run(
        "answers.push(delta([4])); send('stream.close', {reason: 'limit', reconnect: true, retry_ms: 60000})"
    )
    link.wait(59)
    assert len(link.streams()) == 1
    link.wait(2)
    assert len(link.streams()) == 2


def test_stream_close__revoked__is_told_as_signed_out_and_nothing_is_asked_any_more(link: Link) -> None:
    link.start("abcdefgh-3")
    link.run(
        "answers.push({status: 401}); send('stream.close', {reason: 'revoked', reconnect: false, retry_ms: "
        "1})"
    )
    assert link.told() == [["reconnecting"], ["signed-out"]]
    link.asked()
    link.wait(600)
    assert (link.asked(), len(link.streams())) == ([], 1)


@pytest.mark.parametrize("reason", ["replaced", "revoked"])
def test_stream_close__not_to_come_back__is_polled_for_good_and_not_reopened_by_a_nudge(
    link: Link, reason: str
) -> None:
    link.start("abcdefgh-3")
    link.run(
        "answers.push(delta([4]), delta([5]), delta([6]));"
        f"send('stream.close', {{reason: '{reason}', reconnect: false, retry_ms: 86400000}})"
    )
    assert link.told()[-1] == ["polling"]
    link.wait(60)
    link.run("connection.nudge()")
    assert ["news", "abcdefgh-5"] in link.told()
    assert len(link.streams()) == 1
    link.run("connection.stop()")
    link.start("abcdefgh-6")
    assert len(link.streams()) == 2


def test_stream__given_up__is_not_listened_to_any_more(link: Link) -> None:
    link.start("abcdefgh-3")
    link.run("globalThis.old = stream(); answers.push(delta([], {cursor: cursor(3)})); fail(2)")
    link.wait(8)
    link.run("old.dispatchEvent(new MessageEvent('notification.created', {data: JSON.stringify(change(4))}))")
    assert ["news", "abcdefgh-4"] not in link.told()


def test_poll__more_than_fits__is_fetched_at_once(link: Link) -> None:
    link.start("abcdefgh-3")
    link.run("answers.push(delta([4], {has_more: true}), delta([5])); fail(2)")
    assert link.told()[1:] == [
        ["known before", "abcdefgh-4"], ["known before", "abcdefgh-5"], ["counted", 5, "abcdefgh-5"],
        ["polling"],
    ]  # fmt: skip


def test_poll__cursor_of_no_use__starts_anew_at_the_head(link: Link) -> None:
    link.start("zzzzzzzz-3")
    link.run(
        "answers.push({status: 410, body: {code: 'cursor_epoch', cursor: cursor(9)}}, delta([10])); fail(2)"
    )
    assert link.told() == [["reconnecting"], ["started", "abcdefgh-9"]]
    link.wait(1.1)
    assert link.asked() == ["zzzzzzzz-3", "abcdefgh-9"]


def test_poll__no_answer__backs_off_and_comes_back(link: Link) -> None:
    link.start("abcdefgh-3")
    link.run("answers.push({status: 0}, {status: 502}, delta([4])); fail(2)")
    link.wait(4.5)
    assert link.asked() == ["abcdefgh-3"] * 3
    assert link.told()[-1] == ["polling"]


def test_shown_again_by_staff__is_told_and_moves_nothing(link: Link) -> None:
    link.start("abcdefgh-3")
    link.run(
        "open('exact', 3); send('stream.live', {}); send('notification.shown', {at: '', notification: "
        "change(1).notification})"
    )
    assert link.told()[-1] == ["shown", "n1"]
    assert link.page.evaluate("connection.cursor") == "abcdefgh-3"


def test_transient_events__of_types_that_were_asked_for__are_told_by_this_stream_and_the_next(
    link: Link,
) -> None:
    name = "imports.file.progress"
    emit = f'send("{name}", {{type: "{name}", topic: "", at: "", data: {{percent: 5}}}});'
    told = ["emitted", "imports.file.progress", {"percent": 5}]
    link.start()
    link.run('open("none", 7); send("stream.live", {cursor: cursor(7)});')
    link.run(emit)
    link.told()
    link.run('connection.listenFor("imports.file.progress"); connection.listenFor("imports.file.progress");')
    link.run(emit)
    assert link.told() == [told]
    link.run("fail(EventSource.CLOSED);")
    link.wait(30)
    link.run('open("exact", 7); send("stream.live", {cursor: cursor(7)});')
    link.told()
    link.run(emit)
    assert link.told() == [told]


def test_stream__about_anothers_inbox__is_told_as_signed_out_and_nothing_of_it_is_passed_on(
    link: Link,
) -> None:
    """The browser came back by itself, with a cookie that is somebody else's by now."""
    link.start("abcdefgh-3")
    link.run(
        "send('stream.open', {inbox: 'theirs', cursor: cursor(3), head: cursor(9), unread_count: 9, "
        "heartbeat: 15, resume: 'exact'});"
        "send('notification.created', change(4)); send('stream.live', {cursor: cursor(4)})"
    )
    assert link.told() == [["signed-out"]]
    link.wait(600)
    assert (link.asked(), len(link.streams())) == ([], 1)


def test_stream__that_was_not_to_come_back__does_when_somebody_is_seen_to_be_logged_in(link: Link) -> None:
    link.start("abcdefgh-3")
    link.run(
        "answers.push(delta([4])); send('stream.close', {reason: 'revoked', reconnect: false, retry_ms: "
        "86400000})"
    )
    assert link.told()[-1] == ["polling"]
    link.run("connection.renew()")
    assert len(link.streams()) == 2
