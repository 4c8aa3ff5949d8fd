"""Staff compose and replay in a real Chromium, while a user looks on: what is pressed here happens there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission, User
from django.test import override_settings

from notifications import services
from notifications.models import Notification, Replay
from tests.helpers.browser import InboxPage, PageFactory, expect, session_cookie
from tests.helpers.factories import make_user, send
from tests.helpers.processes import HubProcess
from tests.helpers.staff import BROADCASTS, LIST, REPLAYS, page_of
from tests.helpers.waiting import wait_until

USERS = 5_000  # as many chunks: more than the request itself can do

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.browser,
    pytest.mark.system,
    pytest.mark.shape("embedded"),
]


def test_staff__compose_and_replay_by_each_verb__as_the_user_sees(
    live_hub: HubProcess, page_factory: PageFactory
) -> None:
    root = make_user("root", is_staff=True, is_superuser=True)
    ada, grace = make_user("ada"), make_user("grace")
    inbox = InboxPage.of(ada, live_hub, page_factory)
    page = page_factory()
    page.context.add_cookies([session_cookie(root, live_hub)])

    # Composed: what is wrong is said at its field, what is right is shown first, and sent once it is
    # confirmed.
    page.goto(f"{live_hub.base_url}{BROADCASTS}add/")
    page.locator(".field-users .select2-selection").click()
    page.locator(".field-users .select2-search__field").fill("ad")
    page.get_by_role("option", name="ada").click()
    page.get_by_label("Type").fill("news.maintenance.planned")
    page.get_by_label("Title").fill("Maintenance <b>tonight</b>")
    page.get_by_label("Link").fill("javascript:alert(1)")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator(".field-url .errorlist")).to_contain_text("must be a path on this site")
    page.get_by_label("Link").fill("/maintenance/")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("heading", name="Send it to 1 user?")).to_be_visible()
    expect(page.locator(".hub-as-user .note-title a")).to_have_text("Maintenance <b>tonight</b>")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("[data-chip]")).to_have_text("Done")
    inbox.expect_titles("Maintenance <b>tonight</b>")
    inbox.press("Maintenance", "Mark as read")
    inbox.expect_unread(0)
    public_id = Notification.objects.get().public_id

    def replay(verb: str) -> None:
        page.goto(f"{live_hub.base_url}{page_of(public_id)}")
        page.get_by_role("link", name="Replay…").click()
        page.get_by_label(verb).check()
        if verb.startswith("Copy"):
            page.locator(".field-copy_to .select2-selection").click()
            page.locator(".field-copy_to .select2-search__field").fill("grac")
            page.get_by_role("option", name="grace").click()
        page.get_by_label("Reason").fill("She never got it.")
        page.get_by_role("button", name="Preview").click()
        expect(page.locator(".hub-ask")).to_contain_text("1 of 1 notification")
        page.get_by_role("button", name=verb).click()
        expect(page.locator("[data-chip]")).to_have_text("Done")
        expect(page.locator("[data-text=done]")).to_have_text("1")

    inbox.keep_toasts()
    replay("Show again")
    inbox.expect_toast("Maintenance")
    inbox.expect_unread(0)
    replay("Copy to others")
    assert Notification.objects.get(recipient=grace).replay_of is None
    replay("Re-deliver")
    inbox.expect_unread(1)
    inbox.expect_titles("Maintenance <b>tonight</b>")
    assert Notification.objects.get(replay_of=public_id).is_listed

    # A selection leads to the same page; and who has lost the right finds no button, and no page.
    page.goto(f"{live_hub.base_url}{LIST}?recipient=ada")
    page.locator("#action-toggle").check()
    page.select_option("select[name=action]", "replay_selected")
    page.get_by_role("button", name="Go").click()
    expect(page.locator(".hub-which-total")).to_contain_text("2 notifications of 1 recipient")
    root.is_superuser = False
    root.save()
    root.user_permissions.add(Permission.objects.get(codename="view_notification"))
    page.goto(f"{live_hub.base_url}{page_of(public_id)}")
    expect(page.get_by_role("link", name="Replay…")).to_have_count(0)
    answer = page.request.get(f"{live_hub.base_url}{REPLAYS}add/?ids={public_id}")
    assert answer.status == 403


def test_progress__is_followed_until_the_end_and_can_be_cancelled(
    start_hub: Callable[..., HubProcess], page_factory: PageFactory
) -> None:
    # What the request has not done the test does, chunk by chunk: nobody else looks for it in this time.
    hub = start_hub(env={"HUB_MAX_SEQUENCE_CHUNK": "1", "HUB_SWEEP_SECONDS": "300"})
    root = make_user("root", is_staff=True, is_superuser=True)
    users = User.objects.bulk_create([User(username=f"user{number}") for number in range(USERS)])
    for user in users[:3]:
        send(user, "old")
    page = page_factory()
    page.context.add_cookies([session_cookie(root, hub)])
    page.goto(f"{hub.base_url}{BROADCASTS}add/")
    page.get_by_label("Everyone").check()
    page.get_by_label("Type").fill("news.maintenance.planned")
    page.get_by_label("Title").fill("All hands")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("[data-progress-url]")).to_be_visible()
    page.evaluate("window.hubStayed = true")
    before = page.locator("[data-text=done]").inner_text()
    with override_settings(NOTIFICATION_HUB={"max_sequence_chunk": 1}):
        assert services.run_broadcast_chunk()
    expect(page.locator("[data-text=done]")).not_to_have_text(before)
    assert page.evaluate("window.hubStayed"), "by its script, not by a new page"
    page.get_by_role("button", name="Cancel it").click()
    expect(page.locator("[data-chip]")).to_have_text("Cancelled")
    assert Notification.objects.count() < USERS

    # Without a script the page is whole, and a link brings the next state.
    plain = page_factory(java_script_enabled=False)
    plain.context.add_cookies([session_cookie(root, hub)])
    plain.goto(f"{hub.base_url}{LIST}?category=orders")
    plain.get_by_role("link", name="Replay all of these…").click()
    plain.get_by_label("Re-deliver").check()
    plain.get_by_label("Reason").fill("Again.")
    plain.get_by_role("button", name="Preview").click()
    plain.get_by_role("button", name="Re-deliver").click()

    def are_done() -> bool:
        if plain.locator("[data-text=done]").inner_text() == "3":
            return True
        services.run_replay_chunk()
        plain.get_by_role("link", name="Refresh").click()
        return False

    wait_until(are_done, what="all three re-delivered")
    assert Replay.objects.get().filters == {"category": "orders"}
