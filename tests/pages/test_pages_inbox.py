"""What a person does with the inbox in a real Chromium: by mouse, by keyboard, on a small screen, with
hostile content.
"""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.contrib.auth.models import User
from playwright.sync_api import Page, Route

from notifications import services
from tests.helpers.api import PAY
from tests.helpers.browser import InboxPage, PageFactory, expect, session_cookie
from tests.helpers.factories import order_event, send
from tests.helpers.processes import HubProcess

# In each test the hub comes before the pages, so that it ends after them: a page whose hub is gone complains.
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.browser,
    pytest.mark.system,
    pytest.mark.shape("embedded"),
]

ACCESSIBLE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}
HOSTILE: list[dict[str, Any]] = [
    {"title": "W" * 200, "body": "word " * 2000, "url": "https://example.com/" + "a" * 300},
    {"title": "<b>bold</b><script>document.title = 'pwned'</script>", "body": "<img src=x onerror=alert(1)>"},
    {"title": "הזמנה 7 יצאה לדרך", "body": "שלום עולם\n" * 9, "actor": "עדה"},
    {"title": "offers", "actions": [{"label": "W" * 40, "url": "/" + "a" * 300},
                                    {"label": "\u202eהזמנה", "url": "/7/", "method": "POST"}]},
    {"title": "\u202ereversed\u202e", "body": "x" * 9_999, "topic": "order:7"},
    {"title": "Donaudampfschifffahrt" * 9, "event": order_event(type_name="a_" * 30 + "b.made"),
     "level": "error"},
]  # fmt: skip


def fits(page: Page) -> bool:
    """Whether nothing sticks out sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def violations(page: Page) -> list[str]:
    """What axe finds wrong with a page. It puts a style of its own into it, which our policy refuses:
    `bypass_csp`.
    """
    found: list[dict[str, Any]] = Axe().run(page, options=ACCESSIBLE).response["violations"]
    return [
        f"{violation['id']}: {node['target']} {node['any'][:1]}"
        for violation in found
        for node in violation["nodes"]
    ]


def test_mark_all_as_read__of_a_category__leaves_the_others_and_what_comes_later(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    send(ada, "Order 1")
    send(ada, "Import 1", event=order_event(type_name="imports.file.done"))
    inbox = InboxPage.of(ada, shared_hub, page_factory)
    inbox.page.get_by_role("link", name="orders").click()
    inbox.expect_titles("Order 1")
    inbox.page.locator("main").get_by_role("button", name="Mark all as read").click()
    inbox.expect_unread(1)
    send(ada, "Order 2")
    inbox.expect_titles("Order 2", "Order 1")
    inbox.expect_unread(2)
    inbox.page.go_back()
    inbox.expect_titles("Order 2", "Import 1", "Order 1")


def test_archiving__can_be_undone_and_is_done_when_its_toast_goes(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    for number in (1, 2):
        send(ada, f"Order {number}")
    inbox = InboxPage.of(ada, shared_hub, page_factory)
    other = inbox.tab(page_factory)
    inbox.press("Order 1", "Archive")
    inbox.expect_titles("Order 2")
    inbox.expect_unread(1)
    inbox.toasts.get_by_role("button", name="Undo").click()
    inbox.expect_titles("Order 2", "Order 1")
    inbox.press("Order 2", "Archive")
    inbox.toasts.get_by_role("button", name="Dismiss").click()
    other.expect_titles("Order 1")
    # One that could still be undone is done when the page is left.
    inbox.press("Order 1", "Archive")
    inbox.expect_titles()
    inbox.page.close()
    other.expect_titles()
    expect(other.page.get_by_text("You are all caught up")).to_be_visible()


def test_archived__are_shown_by_themselves_put_back_and_deleted_for_good(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    ids = [send(ada, f"Order {number}") for number in (1, 2, 3)]
    services.archive(ada, ids[:2])
    inbox = InboxPage.of(ada, shared_hub, page_factory)
    other = inbox.tab(page_factory)
    inbox.expect_titles("Order 3")
    inbox.expect_unread(1)
    inbox.page.get_by_role("link", name="Archived").click()
    inbox.expect_titles("Order 2", "Order 1")
    inbox.press("Order 2", "Move to inbox")
    inbox.expect_titles("Order 1")
    other.expect_titles("Order 3", "Order 2")
    other.press("Order 3", "Archive")
    other.toasts.get_by_role("button", name="Dismiss").click()
    inbox.expect_titles("Order 3", "Order 1")
    inbox.press("Order 1", "Delete")
    inbox.expect_titles("Order 3")
    inbox.toasts.get_by_role("button", name="Undo").click()
    inbox.expect_titles("Order 3", "Order 1")
    inbox.press("Order 1", "Delete")
    inbox.toasts.get_by_role("button", name="Dismiss").click()
    inbox.expect_titles("Order 3")
    inbox.page.reload()
    inbox.expect_titles("Order 3")
    inbox.expect_unread(0)


def test_long_inbox__is_shown_page_by_page_while_more_arrives(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    for number in range(60):
        send(ada, f"Order {number}.")
    inbox = InboxPage.of(ada, shared_hub, page_factory)
    expect(inbox.notes).to_have_count(25)
    send(ada, "Order 60.")
    for count in (51, 61):
        inbox.page.get_by_role("button", name="Load more").click()
        expect(inbox.notes).to_have_count(count)
    inbox.expect_titles(*(f"Order {number}." for number in reversed(range(61))))
    expect(inbox.page.get_by_role("button", name="Load more")).to_be_hidden()


def test_unread_filter__loses_what_is_read_and_keeps_the_focus_in_the_list(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    for number in (1, 2, 3):
        send(ada, f"Order {number}")
    inbox = InboxPage.of(ada, shared_hub, page_factory)
    inbox.page.get_by_role("link", name="Unread").click()
    inbox.press("Order 2", "Mark as read")
    inbox.expect_titles("Order 3", "Order 1")
    expect(inbox.note("Order 1").get_by_role("button", name="Archive")).to_be_focused()
    inbox.page.reload()
    inbox.expect_titles("Order 3", "Order 1")


def test_panel__by_keyboard__opens_reads_and_gives_the_focus_back(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    for number in (1, 2):
        send(ada, f"Order {number}", url=f"/orders/{number}/")
    inbox = InboxPage.of(ada, shared_hub, page_factory)
    keyboard = inbox.page.keyboard
    inbox.bell.focus()
    keyboard.press("Enter")
    expect(inbox.panel).to_be_focused()
    expect(inbox.panel.locator(".note")).to_have_count(2)
    keyboard.press("Tab")
    expect(inbox.panel.get_by_role("button", name="Mark all as read")).to_be_focused()
    keyboard.press("Tab")
    expect(inbox.panel.get_by_role("link", name="Order 2")).to_be_focused()
    keyboard.press("ArrowDown")
    expect(inbox.panel.get_by_role("link", name="Order 1")).to_be_focused()
    keyboard.press("Tab")
    keyboard.press("Space")
    inbox.expect_unread(1)
    keyboard.press("Escape")
    expect(inbox.panel).to_be_hidden()
    expect(inbox.bell).to_be_focused()


def test_panel__pressed_beside__closes(shared_hub: HubProcess, page_factory: PageFactory, ada: User) -> None:
    inbox = InboxPage.of(ada, shared_hub, page_factory)
    inbox.bell.click()
    expect(inbox.bell).to_have_attribute("aria-expanded", "true")
    inbox.page.get_by_role("heading", name="Notifications").first.click(position={"x": 4, "y": 4})
    expect(inbox.panel).to_be_hidden()
    expect(inbox.bell).to_have_attribute("aria-expanded", "false")


def test_menu__closes_by_escape_and_when_something_else_is_pressed(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    page = InboxPage.of(ada, shared_hub, page_factory).page
    menu, change = page.locator(".menu summary"), page.get_by_role("link", name="Change password")
    menu.click()
    expect(change).to_be_visible()
    page.keyboard.press("Escape")
    expect(change).to_be_hidden()
    expect(menu).to_be_focused()
    menu.click()
    page.locator("h1").click()
    expect(change).to_be_hidden()


def test_following_a_link__marks_it_read(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    send(ada, "Change your password", url="/account/password/")
    inbox = InboxPage.of(ada, shared_hub, page_factory)
    inbox.note("Change your password").get_by_role("link").click()
    expect(inbox.page.get_by_role("heading", name="Change password")).to_be_visible()
    inbox.visit()
    inbox.expect_unread(0)


def test_action__that_posts__is_sent_once_and_says_what_came_of_it(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    refused = {"label": "Refused", "url": "/inbox/read/", "method": "POST"}
    send(ada, "Invoice 7", actions=[PAY, refused])
    inbox = InboxPage.of(ada, shared_hub, page_factory, ignore=("status of", "ERR_FAILED"))
    inbox.keep_toasts()
    answers: list[dict[str, Any]] = []
    pay = inbox.note("Invoice 7").get_by_role("button", name="Pay")

    def press() -> None:
        pressed_twice = "(button) => { button.click(); button.click(); return button.ariaDisabled; }"
        assert pay.evaluate(pressed_twice) == "true"

    def answer(route: Route) -> None:
        assert (route.request.method, route.request.post_data) == ("POST", None)
        given = answers.pop()
        route.fulfill(**given) if given else route.abort()

    inbox.page.route("**/pay/7/", answer)
    for given, words in (({}, "no answer came."), ({"status": 500}, "the site could not do it (error 500).")):
        answers.append(given)
        press()
        inbox.expect_toast(f"Pay: {words}")
        expect(pay).to_have_attribute("aria-disabled", "false")
    # The hub itself answers: its CSRF check lets this through, or it would be a 403.
    inbox.press("Invoice 7", "Refused")
    inbox.expect_toast("Refused: the site refused it (error 400).")
    inbox.expect_unread(1)
    answers.append({"status": 204})
    press()
    inbox.expect_toast("Done: Pay")
    inbox.expect_unread(0)
    assert answers == []
    # Who is sent to log in has done nothing, though the login page itself is no error.
    inbox.page.unroute_all()
    inbox.page.context.clear_cookies(name=settings.SESSION_COOKIE_NAME)
    inbox.press("Invoice 7", "Refused")
    inbox.expect_toast("log in again")


def test_gone_meanwhile__archiving_it_is_no_error(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    public_id = send(ada, "Order 1")
    inbox = InboxPage.of(ada, shared_hub, page_factory, ignore=("status of 404",))
    inbox.press("Order 1", "Archive")
    services.delete(ada, [public_id])
    inbox.expect_unread(0)
    inbox.toasts.get_by_role("button", name="Dismiss").click()
    expect(inbox.toasts).to_have_count(0)


def test_action_that_fails__is_taken_back_and_told(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    send(ada, "Order 1")
    inbox = InboxPage.of(ada, shared_hub, page_factory, ignore=("status of 500",))
    inbox.page.route("**/api/v1/notifications/*-*", lambda route: route.fulfill(status=500, body="{}"))
    inbox.press("Order 1", "Mark as read")
    expect(inbox.toasts).to_have_text("That could not be saved. Please try again.")
    inbox.expect_unread(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_inbox__with_hostile_content__fits_is_accessible_and_runs_nothing(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User, width: int, scheme: str
) -> None:
    for options in HOSTILE:
        send(ada, **options)
    look: dict[str, Any] = {
        "viewport": {"width": width, "height": 800},
        "color_scheme": scheme,
        "reduced_motion": "reduce",
        "bypass_csp": True,
    }
    inbox = InboxPage.of(ada, shared_hub, page_factory, **look)
    inbox.expect_unread(len(HOSTILE))
    expect(inbox.note("<b>bold</b>")).to_have_count(1)
    inbox.note("W" * 200).get_by_role("button", name="Show more").click()
    assert fits(inbox.page)
    assert violations(inbox.page) == []
    inbox.press("reversed", "Archive")
    inbox.bell.click()
    expect(inbox.panel.locator(".note")).to_have_count(len(HOSTILE) - 1)
    panel = inbox.panel.bounding_box()
    assert panel is not None
    assert panel["x"] >= 0
    assert panel["x"] + panel["width"] <= width
    assert violations(inbox.page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_account_pages__fit_a_small_screen_and_are_accessible(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User, scheme: str
) -> None:
    page = page_factory(viewport={"width": 360, "height": 740}, color_scheme=scheme, bypass_csp=True)
    page.goto(f"{shared_hub.base_url}/login/")
    page.fill("[name=username]", "ada")
    page.fill("[name=password]", "wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    page.wait_for_load_state()
    assert fits(page)
    assert violations(page) == []
    page.context.add_cookies([session_cookie(ada, shared_hub)])
    page.goto(f"{shared_hub.base_url}/account/password/")
    page.get_by_role("button", name="Change password").click()
    assert fits(page)
    assert violations(page) == []


def test_without_a_script__reading_archiving_and_reading_all_work_by_forms(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    for number in (1, 2, 3):
        send(ada, f"Order {number}", body="long " * 60)
    page = page_factory(java_script_enabled=False)
    page.context.add_cookies([session_cookie(ada, shared_hub)])
    page.goto(shared_hub.base_url)
    plain = InboxPage(page, shared_hub)
    plain.press("Order 2", "Mark as read")
    page.get_by_role("link", name="Unread").click()
    plain.expect_titles("Order 3", "Order 1")
    plain.press("Order 3", "Archive")
    plain.expect_titles("Order 1")
    page.get_by_role("button", name="Mark all as read").click()
    plain.expect_titles()
    expect(page.get_by_text("Nothing unread here")).to_be_visible()
    page.get_by_role("link", name="Archived").click()
    plain.expect_titles("Order 3")
    plain.press("Order 3", "Move to inbox")
    expect(page.get_by_text("Nothing archived here")).to_be_visible()
    page.get_by_role("link", name="All", exact=True).click()
    plain.expect_titles("Order 3", "Order 2", "Order 1")
