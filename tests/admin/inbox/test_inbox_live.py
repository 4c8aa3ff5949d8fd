"""The staff's live pages in a real Chromium: the time machine's slider, the replay, the live tail, and
disconnecting a stream.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from playwright.sync_api import Page

from notifications import services
from notifications.models import Change, Inbox
from tests.helpers.browser import InboxPage, PageFactory, expect, session_cookie
from tests.helpers.factories import make_user, send
from tests.helpers.oracle import Client, changes_since
from tests.helpers.processes import HubProcess
from tests.helpers.staff import INBOXES, make_staff

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.browser,
    pytest.mark.system,
    pytest.mark.shape("embedded"),
]

HOSTILE = "<img src=x onerror=alert(1)>\u202eevil"
ALL = ("view_notification", "view_content", "view_inbox", "view_streamsession", "end_streamsession")
PAUSE_AT_A_GAP = """
() => {
    const status = document.querySelector(".tm-status");
    new MutationObserver((_, watching) => {
        if (!status.textContent.includes("shortened")) return;
        watching.disconnect();
        window.saidAtTheGap = status.textContent;
        document.querySelector(".tm-play").click();
    }).observe(status, { childList: true, characterData: true, subtree: true });
}
"""


@pytest.fixture
def vera() -> User:
    return make_staff("vera", *ALL)


def entered(user: User, hub: HubProcess, pages: PageFactory, path: str, **options: Any) -> Page:
    """A new browser in which a member of staff is logged in, on a page."""
    page = pages(**options)
    page.context.add_cookies([session_cookie(user, hub)])
    page.goto(hub.base_url + path)
    return page


def history(user: User) -> dict[int, list[str]]:
    """An inbox of ten changes; the titles that it listed at each position, by a fold of its own."""
    ids = [send(user, HOSTILE if number == 2 else f"number {number}") for number in range(5)]
    services.mark_read(user, ids[:1])
    services.delete(user, ids[1:2])
    services.mark_all_read(user)
    services.mark_unread(user, ids[3:4])
    send(user, "the last")
    client, shown = Client(), {0: list[str]()}
    for change in changes_since(user.pk, 0):
        client.fold(json.loads(json.dumps(change)))
        newest_first = sorted(client.items.values(), key=lambda item: -item["position"])
        shown[client.position] = [item["title"] for item in newest_first]
    return shown


def test_time_machine__slides_steps_and_plays_what_a_client_held_and_goes_by_forms_without_javascript(
    live_hub: HubProcess, page_factory: PageFactory, ada: User, vera: User
) -> None:
    shown = history(ada)
    head = max(shown)
    Change.objects.filter(position__lte=4).update(at="2026-01-01T00:00:00Z")
    before = [list(Inbox.objects.values()), list(Change.objects.values())]
    page = entered(vera, live_hub, page_factory, f"{INBOXES}{ada.pk}/past/")
    titles = page.locator(".tm-item-title bdi")
    position = page.locator(".tm-position")

    def expect_moment(at: int) -> None:
        expect(position).to_have_text(f"Position {at} of {head}")
        expect(titles).to_have_text(shown[at])

    expect_moment(head)
    for at in (0, 7, 3):
        page.locator(".tm-slider").fill(str(at))
        expect_moment(at)
    page.get_by_role("link", name="Next").click()
    expect_moment(4)
    page.get_by_role("button", name="Step").click()
    expect_moment(5)
    assert "position=5" in page.url
    page.get_by_label("time", exact=True).check()
    page.locator(".tm-slider").evaluate(
        "slider => { slider.value = slider.min; slider.dispatchEvent(new Event('input')); }"
    )
    expect_moment(4)  # all of the first four happened at that time

    page.locator(".tm-speed").select_option("60")
    # Paused by the page itself: on a busy machine the three seconds may be over before the test has seen them
    # begin.
    page.evaluate(PAUSE_AT_A_GAP)
    page.get_by_role("button", name="Play").click()
    expect(page.locator(".tm-status")).to_have_text("Paused at position 4")
    assert "shortened to 3 seconds" in page.evaluate("window.saidAtTheGap")
    page.get_by_role("button", name="Step").click()
    expect_moment(5)
    page.get_by_role("button", name="Play").click()
    expect(page.locator(".tm-status")).to_have_text("This was the latest change")
    expect_moment(head)
    assert [list(Inbox.objects.values()), list(Change.objects.values())] == before

    plain = entered(vera, live_hub, page_factory, f"{INBOXES}{ada.pk}/past/", java_script_enabled=False)
    expect(plain.locator(".tm-live")).to_be_hidden()
    plain.get_by_role("spinbutton", name="Position").fill("6")
    plain.get_by_role("button", name="Show").first.click()
    expect(plain.locator(".tm-item-title bdi")).to_have_text(shown[6])
    plain.locator(".tm-permalink a").click()
    assert f"cursor={Inbox.objects.get(pk=ada.pk).epoch}-6" in plain.url
    plain.get_by_role("link", name="Previous").click()
    expect(plain.locator(".tm-item-title bdi")).to_have_text(shown[5])


def test_tail__shows_what_happens_and_pauses__a_stream_is_disconnected__and_the_tail_ends_with_its_right(
    live_hub: HubProcess, page_factory: PageFactory, ada: User, vera: User
) -> None:
    send(ada, "from before")
    grace = make_user("grace")
    page = entered(vera, live_hub, page_factory, f"{INBOXES}tail/")
    filtered = page_factory.tab(page.context)
    filtered.goto(f"{live_hub.base_url}{INBOXES}tail/")
    filtered.get_by_label("Recipient").fill("grace")
    filtered.get_by_role("button", name="Filter").click()
    for each in (page, filtered):
        expect(each.locator(".tail-status")).to_have_text("Live")
    titles = page.locator(".tail-rows .hub-title bdi")
    public_id = send(ada, HOSTILE, level="error", topic="order:7")
    expect(titles).to_have_text([HOSTILE, "from before"])
    page.get_by_role("button", name="Pause").click()
    services.mark_all_read(ada)
    send(grace, "for grace")
    expect(page.locator(".tail-status")).to_have_text("Paused: 2 new")
    expect(filtered.locator(".tail-rows .hub-title bdi")).to_have_text(["for grace"])
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".tail-rows tr")).to_have_count(4)
    expect(page.locator(".tail-rows tr").nth(1)).to_contain_text("everything up to position 2")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".tail-rows tr")).to_have_count(0)
    services.mark_unread(ada, [public_id])
    page.locator(".tail-rows .hub-title").click()
    expect(page.locator("h1")).to_contain_text("<img src=x")

    tab = InboxPage.of(ada, live_hub, page_factory)
    page.goto(f"{live_hub.base_url}{INBOXES}{ada.pk}/change/")
    row = page.locator("table").first.locator("tbody tr")
    expect(row).to_contain_text("Chrome")
    expect(row).to_contain_text("up to date")
    row.get_by_role("link", name="Disconnect…").click()
    page.get_by_label("Reason").fill("a test")
    page.get_by_role("button", name="Disconnect").click()
    expect(page.locator(".messagelist")).to_contain_text("The stream was disconnected.")
    tab.expect_state("polling")

    vera.user_permissions.remove(Permission.objects.get(codename="view_notification"))
    expect(filtered.locator(".tail-status")).to_contain_text("has ended the live tail")
