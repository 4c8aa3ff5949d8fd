"""The user's page against a real hub: it is live, in every tab, through restarts, and without a stream as
well.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User

from notifications import services
from notifications.event_types import UntypedEvent
from tests.helpers.browser import InboxPage, PageFactory, expect, log_in
from tests.helpers.factories import send
from tests.helpers.processes import HubProcess
from tests.helpers.waiting import LONG_SECONDS, wait_until

# In each test the hub comes before the pages, so that it ends after them: a page whose hub is gone complains.
# A page sees no difference between the shapes; its first test, from the login to what arrives, runs in both.
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.browser,
    pytest.mark.system,
    pytest.mark.shape("embedded"),
]

STREAM = "**/api/v1/notifications/stream*"
# What Chromium itself says in the console when the test takes the hub away.
NETWORK = ("Failed to load resource", "net::ERR")


def refuse(route: Any) -> None:
    route.fulfill(status=503, body="")


@pytest.mark.shape("embedded", "production")
def test_person__logs_in_and_sees_a_notification_arrive__without_a_reload(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    page = page_factory()
    log_in(page, shared_hub.base_url, "ada", "ada")
    inbox = InboxPage(page, shared_hub)
    inbox.expect_state("live")
    expect(inbox.status).to_have_text("Live")
    page.evaluate("window.sameDocument = true")
    send(ada, "Your order is on its way")
    expect(inbox.note("Your order is on its way")).to_have_count(1)
    assert page.evaluate("window.sameDocument")


def test_backlog__is_listed_but_not_announced(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    send(ada, "Before the page was opened")
    inbox = InboxPage.of(ada, shared_hub, page_factory)
    inbox.expect_unread(1)
    expect(inbox.toasts).to_have_count(0)


def test_reading__in_one_tab__lowers_the_count_in_the_other_over_one_stream(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    for number in (1, 2):
        send(ada, f"Order {number}")
    first = InboxPage.of(ada, shared_hub, page_factory)
    streams: list[str] = []
    first.page.context.on("request", lambda request: streams.append(request.url))
    second = first.tab(page_factory)
    for tab in (first, second):
        tab.expect_unread(2)
    first.press("Order 1", "Mark as read")
    for tab in (first, second):
        tab.expect_unread(1)
        expect(tab.note("Order 1")).not_to_have_attribute("data-unread", "")
    second.press("Order 1", "Mark as unread")
    first.expect_unread(2)
    assert not [url for url in streams if "/stream" in url]


def test_tab_with_the_stream__closed__leaves_the_other_one_live(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    first = InboxPage.of(ada, shared_hub, page_factory)
    second = first.tab(page_factory)
    first.page.close()
    send(ada, "After the first tab")
    second.expect_titles("After the first tab")
    second.expect_state("live")


def test_restart_of_the_hub__misses_nothing_and_repeats_nothing(
    live_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    gone = send(ada, "Deleted meanwhile")
    inbox = InboxPage.of(ada, live_hub, page_factory, ignore=NETWORK)
    inbox.expect_titles("Deleted meanwhile")
    live_hub.kill()
    send(ada, "Sent meanwhile")
    services.delete(ada, [gone])
    inbox.expect_state("reconnecting")
    live_hub.start()
    inbox.expect_state("live", seconds=LONG_SECONDS)
    send(ada, "Sent afterwards")
    inbox.expect_titles("Sent afterwards", "Sent meanwhile")
    inbox.expect_unread(2)


def test_stream_refused__the_page_polls_says_so_and_works__and_takes_the_stream_when_it_can(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    inbox = InboxPage.of(ada, shared_hub, page_factory, ignore=NETWORK)
    inbox.page.context.route(STREAM, refuse)
    inbox.visit(state="polling")
    expect(inbox.status).to_have_text(
        re.compile(r"^Checking every \d+ s$")
    )  # more than 15 where the hub is busy
    send(ada, "Told by polling")
    # Coming back to the tab asks at once, rather than at the interval's end.
    inbox.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    inbox.expect_titles("Told by polling")
    inbox.press("Told by polling", "Mark as read")
    inbox.expect_unread(0)
    inbox.page.context.unroute(STREAM)
    inbox.expect_state("live")
    send(ada, "Told by the stream")
    inbox.expect_titles("Told by the stream", "Told by polling")


def test_logging_out__in_one_tab__is_told_in_the_other(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    first = InboxPage.of(ada, shared_hub, page_factory, ignore=NETWORK)
    second = first.tab(page_factory, ignore=NETWORK)
    first.page.locator(".menu summary").click()
    first.page.get_by_role("button", name="Log out").click()
    expect(first.page.get_by_role("heading", name="Log in")).to_be_visible()
    second.expect_state("signed-out")
    again = second.status.get_by_role("link", name="Logged out – log in again")
    expect(again).to_have_attribute("href", "/login/?next=%2F")


def test_session_that_has_ended__is_told_by_the_first_request(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    send(ada, "Order 7")
    inbox = InboxPage.of(ada, shared_hub, page_factory, ignore=NETWORK)
    inbox.page.context.clear_cookies()
    inbox.press("Order 7", "Mark as read")
    inbox.expect_state("signed-out")
    expect(inbox.toasts).to_have_text("Logged out – log in again")


def test_two_lines__put_the_bell_on_any_page(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    two_lines = (
        '<script type="module" '
        'src="/static/notifications/bell.js"></script>\n<notification-bell></notification-bell>'
    )
    page = InboxPage.of(ada, shared_hub, page_factory).page
    page.route("**/shop", lambda route: route.fulfill(body=f"<!doctype html><title>Shop</title>{two_lines}",
                                                      content_type="text/html"))  # fmt: skip
    page.goto(f"{shared_hub.base_url}/shop")
    bell = InboxPage(page, shared_hub)
    expect(bell.bell).to_have_accessible_name("Notifications, 0 unread")
    send(ada, "Seen in the shop")
    expect(bell.badge).to_have_text("1")
    bell.bell.click()
    bell.panel.get_by_role("button", name="Mark as read").click()
    expect(bell.badge).to_be_hidden()


@pytest.mark.shape("production")
def test_transient_events__reach_page_code_in_every_tab__also_when_the_tab_of_the_stream_goes(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    listen = """async () => {
      const { pageClient } = await import("/static/notifications/page-client.js");
      const client = pageClient(document.querySelector("notification-bell"));
      window.heard = [];
      client.on("imports.file.progress", (event) => heard.push(event.data.percent));
    }"""
    first = InboxPage.of(ada, shared_hub, page_factory)
    second = first.tab(page_factory)

    def is_heard(inbox: InboxPage, percent: int) -> bool:
        services.emit(ada, UntypedEvent(type_name="imports.file.progress", fields={"percent": percent}))
        return bool(inbox.page.evaluate("(percent) => heard.includes(percent)", percent))

    second.page.evaluate(listen)
    wait_until(lambda: is_heard(second, 5))
    first.page.evaluate(listen)
    wait_until(lambda: is_heard(first, 6))
    first.page.close()
    wait_until(lambda: is_heard(second, 7))
