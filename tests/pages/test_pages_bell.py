"""The bell on pages that are not the hub's: whatever their colours, language, origins, browser and scripts do
to it.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, Route

from notifications.models import Notification
from tests.helpers.api import PAY
from tests.helpers.browser import InboxPage, PageFactory, expect, session_cookie
from tests.helpers.factories import send
from tests.helpers.processes import HubProcess
from tests.helpers.waiting import wait_until
from tests.pages.scripts import FOLDER

# In each test the hub comes before the pages, so that it ends after them: a page whose hub is gone complains.
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.browser,
    pytest.mark.system,
    pytest.mark.shape("embedded"),
]

SCRIPT = '<script type="module" src="/static/notifications/bell.js"></script>'
BELL = "<notification-bell></notification-bell>"
STATIC_ORIGIN = "http://static.localhost"
WITHOUT_POPOVERS = """
const names = ["showPopover", "hidePopover", "togglePopover", "popover"];
for (const name of names) delete HTMLElement.prototype[name];
const matches = Element.prototype.matches;
Element.prototype.matches = function (selector) {
  if (selector.includes(":popover-open")) throw new SyntaxError("not a valid selector");
  return matches.call(this, selector);
};
"""
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
COLOURS = """() => {
  const root = document.querySelector("notification-bell").shadowRoot;
  const colour = (element, property) => getComputedStyle(element)[property];
  return {
    bell: colour(root.querySelector(".bell"), "color"),
    panel: colour(root.querySelector(".panel"), "backgroundColor"),
    words: colour(root.querySelector(".panel"), "color"),
  };
}"""
LIGHT = {"panel": "rgb(255, 255, 255)", "words": "rgb(27, 31, 36)"}
DARK = {"panel": "rgb(31, 35, 41)", "words": "rgb(232, 234, 237)"}


class Shop(InboxPage):
    """A page of somebody else's with the bell on it, on the hub's host."""

    @classmethod
    def open(
        cls,
        user: User,
        hub: HubProcess,
        pages: PageFactory,
        *,
        html: str = "<html>",
        body: str = SCRIPT + BELL,
        ignore: tuple[str, ...] = (),
        **options: Any,
    ) -> Shop:
        shop = cls.before(user, hub, pages, ignore=ignore, **options)
        shop.page.context.route(
            "**/shop*",
            lambda route: route.fulfill(
                body=f"<!doctype html>{html}<title>Shop</title>{body}", content_type="text/html"
            ),
        )
        shop.go()
        return shop

    @classmethod
    def before(cls, user: User, hub: HubProcess, pages: PageFactory, **options: Any) -> Shop:
        """A browser in which the user is logged in, on no page yet."""
        page = pages(**options)
        csrf: Any = {"name": "csrftoken", "value": "c" * 32, "url": hub.base_url}
        page.context.add_cookies([session_cookie(user, hub), csrf])
        return cls(page, hub)

    def go(self, path: str = "/shop") -> None:
        """Open the page, and wait for its bell."""
        self.page.goto(self.hub.base_url + path)
        expect(self.bell.first).to_have_attribute("data-state", "live")

    def is_read(self, title: str) -> bool:
        """What the hub says."""
        return Notification.objects.get(event__title=title).read_at is not None


def is_gone(title: str) -> bool:
    """Whether the hub has archived it."""
    return not Notification.objects.filter(event__title=title, archived_at=None).exists()


def colours(shop: InboxPage) -> dict[str, str]:
    """Of the bell, and of its panel, as they are drawn."""
    found: dict[str, str] = shop.page.evaluate(COLOURS)
    return found


@pytest.mark.parametrize(
    ("style", "bell", "panel"),
    [
        ("", "rgb(0, 0, 0)", LIGHT),
        ("background: #ffffff; color: #202020", "rgb(32, 32, 32)", LIGHT),
        # Dark, and does not tell the browser so.
        ("background: #101010; color: #eeeeee", "rgb(238, 238, 238)", LIGHT),
        ("color-scheme: dark; background: #101010; color: #eeeeee", "rgb(238, 238, 238)", DARK),
        ("color-scheme: light dark", "rgb(255, 255, 255)", DARK),
        ("color-scheme: only light", "rgb(0, 0, 0)", LIGHT),
    ],
)
def test_colours__under_a_dark_system__are_those_of_the_page(
    shared_hub: HubProcess,
    page_factory: PageFactory,
    ada: User,
    style: str,
    bell: str,
    panel: dict[str, str],
) -> None:
    shop = Shop.open(ada, shared_hub, page_factory, html=f'<html style="{style}">', color_scheme="dark")
    assert colours(shop) == {"bell": bell, **panel}


def test_colours__in_a_browser_that_knows_no_pairs_of_them__are_light(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    theme = (FOLDER / "theme.css").read_text().replace("light-dark(", "of-tomorrow(")
    shop = Shop.before(ada, shared_hub, page_factory, color_scheme="dark")
    page = shop.page
    page.route("**/theme.css", lambda route: route.fulfill(body=theme, content_type="text/css"))
    page.route("**/shop", lambda route: route.fulfill(body=SCRIPT + BELL, content_type="text/html"))
    shop.go()
    assert colours(shop) == {"bell": "rgb(0, 0, 0)", **LIGHT}


@pytest.mark.parametrize("lang", ["pt_BR", "en_US.UTF-8", "C", "not a language!", "de-DE-", "x"])
def test_language__that_is_none__shows_the_notifications_all_the_same(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User, lang: str
) -> None:
    send(ada, "Order 1")
    shop = Shop.open(ada, shared_hub, page_factory, html=f'<html lang="{lang}">')
    shop.bell.click()
    expect(shop.panel.locator(".note-title")).to_have_text("Information: Order 1")
    expect(shop.panel.locator("time")).not_to_be_empty()
    expect(shop.panel.get_by_text("Loading…")).to_be_hidden()


@pytest.mark.parametrize("words", ["", "{", "null", "[1]", '"text"', '{"bell_label": 7, "live": null}'])
def test_translations__that_are_none__leave_the_words_english(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User, words: str
) -> None:
    script = f'<script type="application/json" id="notification-strings">{words}</script>'
    shop = Shop.open(ada, shared_hub, page_factory, body=script + SCRIPT + BELL)
    expect(shop.bell).to_have_accessible_name("Notifications, 0 unread")


def test_static_files__of_another_origin__are_drawn_and_styled(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    def serve(route: Any) -> None:
        path = FOLDER / route.request.url.rpartition("/")[2]
        allow = {"Access-Control-Allow-Origin": "*"}
        route.fulfill(path=path, content_type=TYPES[path.suffix], headers=allow)

    send(ada, "Order 1")
    shop = Shop.before(ada, shared_hub, page_factory)
    page = shop.page
    page.context.route(f"{STATIC_ORIGIN}/**", serve)
    body = SCRIPT.replace("/static/", f"{STATIC_ORIGIN}/static/") + BELL
    page.route("**/shop", lambda route: route.fulfill(body=body, content_type="text/html"))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    shop.go()
    shop.bell.click()
    expect(shop.panel.locator(".note")).to_have_count(1)
    assert not [url for url in asked if url.startswith(f"{shared_hub.base_url}/static/")]
    expect(shop.panel).to_have_css("border-radius", "14px")
    for icon in (shop.bell.locator("svg"), shop.panel.locator(".note-discard svg")):
        assert icon.evaluate(
            "(svg) => { const { width, height } = svg.getBBox(); return width > 5 && height > 5; }"
        )


def test_browser_without_popovers__has_a_panel_and_toasts(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    shop = Shop.before(ada, shared_hub, page_factory)
    page = shop.page
    page.add_init_script(WITHOUT_POPOVERS)
    page.route(
        "**/shop",
        lambda route: route.fulfill(
            body=f'{SCRIPT}{BELL}<div style="position: relative; z-index: 9; height: 900px">Shop</div>',
            content_type="text/html",
        ),
    )
    shop.go()
    expect(shop.panel).to_be_hidden()
    send(ada, "Order 1")
    expect(shop.toasts).to_have_text("Order 1")
    shop.toasts.get_by_role("button", name="Dismiss").click()
    shop.bell.click()
    expect(shop.panel).to_be_focused()
    shop.panel.get_by_role("button", name="Archive").click()
    shop.toasts.get_by_role("button", name="Undo").click()
    shop.panel.get_by_role("button", name="Mark as read").click()
    wait_until(lambda: shop.is_read("Order 1"))
    page.keyboard.press("Escape")
    expect(shop.panel).to_be_hidden()


def test_two_bells__tell_everything_once(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    shop = Shop.open(ada, shared_hub, page_factory, body=f"{SCRIPT}{BELL}<p>and</p>{BELL}")
    send(ada, "Order 1")
    expect(shop.badge).to_have_text(["1", "1"])
    expect(shop.toasts).to_have_text(["Order 1"])
    shop.toasts.get_by_role("button", name="Dismiss").click()
    shop.bell.last.click()
    # What is in an open panel needs no toast of the other bell; what is undone is undone where it was done.
    send(ada, "Order 2")
    expect(shop.panel.last.locator(".note")).to_have_count(2)
    expect(shop.toasts).to_have_count(0)
    shop.panel.last.get_by_role("button", name="Archive").first.click()
    expect(shop.toasts).to_have_count(1)
    expect(shop.page.locator("notification-bell").last.locator(".toast")).to_have_count(1)
    shop.toasts.get_by_role("button", name="Undo").click()
    expect(shop.panel.last.locator(".note")).to_have_count(2)


LISTS = "/api/v1/notifications?limit=15"
OPEN_AND_REMOVE = """async () => {
  const bell = document.querySelector("notification-bell");
  bell.shadowRoot.querySelector(".bell").click();
  await new Promise((done) => setTimeout(done));
  bell.remove();
  await new Promise((done) => setTimeout(done));
  document.body.append(document.createElement("notification-bell"));
}"""
# How many lists are asked for before any of them can have been answered.
FETCHED_AT_ONCE = """async ([cursor, list]) => {
  const { pageClient } = await import("/static/notifications/page-client.js");
  const fetchOfThePage = window.fetch;
  let count = 0;
  window.fetch = (url, ...options) => {
    count += String(url).includes(list);
    return fetchOfThePage(url, ...options);
  };
  pageClient(document.body).tabs.sink.started(cursor);
  await new Promise((done) => setTimeout(done));
  window.fetch = fetchOfThePage;
  return count;
}"""


def test_bell__removed_and_put_on_the_page_again_and_again__leaves_nothing_behind(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    shop = Shop.open(ada, shared_hub, page_factory)
    for _ in range(5):
        shop.page.evaluate(OPEN_AND_REMOVE)
    shop.bell.click()
    expect(shop.panel.get_by_text("You are all caught up")).to_be_visible()
    shop.page.route("**/stream*", lambda route: route.abort())
    send(ada, "Order 1")
    expect(shop.panel.locator(".note")).to_have_count(1)
    send(ada, "Order 2")
    expect(shop.panel.locator(".note")).to_have_count(2)
    cursor = shop.page.request.get(f"{shared_hub.base_url}/api/v1/notifications/counts").json()["cursor"]
    # What the link says after a reset: whoever knows less than this fetches its list again, at once.
    epoch, _, head = cursor.partition("-")
    fetched = shop.page.evaluate(FETCHED_AT_ONCE, [f"{epoch}-{int(head) + 1}", LISTS])
    assert fetched == 1  # each bell that was left behind would fetch one, too
    send(ada, "Order 3")
    expect(shop.panel.locator(".note")).to_have_count(3)
    shop.page.evaluate("document.querySelector('notification-bell').remove()")
    assert shop.page.evaluate("document.querySelectorAll('notification-bell').length") == 0


def test_bell__moved_within_the_page__stays_as_it_is(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    send(ada, "Order 1")
    shop = Shop.open(ada, shared_hub, page_factory, body=f"{SCRIPT}{BELL}<footer></footer>")
    shop.bell.click()
    shop.panel.get_by_role("button", name="Archive").click()
    expect(shop.toasts).to_have_count(1)
    asked: list[str] = []
    shop.page.on("request", lambda request: asked.append(request.url))
    shop.page.evaluate("document.querySelector('footer').append(document.querySelector('notification-bell'))")
    expect(shop.panel).to_be_visible()
    shop.toasts.get_by_role("button", name="Undo").click()
    expect(shop.panel.locator(".note")).to_have_count(1)
    assert not [url for url in asked if "/api/" in url]
    assert not is_gone("Order 1")


def test_bell__removed_while_something_can_be_undone__has_it_done(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    send(ada, "Order 1")
    shop = Shop.open(ada, shared_hub, page_factory)
    shop.page.clock.install()
    shop.bell.click()
    shop.panel.get_by_role("button", name="Archive").click()
    expect(shop.toasts).to_have_count(1)
    # Its toast would go in time; here time stands still.
    shop.page.clock.pause_at(shop.page.evaluate("Date.now()") + 1000)
    shop.page.evaluate("document.querySelector('notification-bell').remove()")
    wait_until(lambda: is_gone("Order 1"))


def test_bell__made_by_a_script__has_the_attributes_that_it_gets_before_it_is_on_the_page(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    make = """<script type="module">
      import "/static/notifications/bell.js";
      const bell = document.createElement("notification-bell");
      bell.setAttribute("inbox-url", "/inbox/of/the/shop/");
      document.body.append(bell);
    </script>"""
    shop = Shop.open(ada, shared_hub, page_factory, body=make)
    shop.bell.click()
    expect(shop.panel.get_by_role("link", name="See all")).to_have_attribute("href", "/inbox/of/the/shop/")


def press_enter(page: Page, link: Any) -> None:
    link.focus()
    page.keyboard.press("Enter")


@pytest.mark.parametrize("way", ["click", "middle", "Enter"])
def test_link_of_a_toast__followed__is_read(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User, way: str
) -> None:
    shop = Shop.open(ada, shared_hub, page_factory)
    send(ada, "Order 1", url="/shop?order=1")
    link = shop.toasts.get_by_role("link", name="Order 1")
    link.click(button="right")
    assert not shop.is_read("Order 1")
    if way == "Enter":
        press_enter(shop.page, link)
    else:
        link.click(button="middle" if way == "middle" else "left")
    wait_until(lambda: shop.is_read("Order 1"))
    if way == "middle":
        expect(shop.toasts).to_have_count(0)
    else:
        shop.page.wait_for_url("**/shop?order=1")


def test_actions_in_the_panel__by_keyboard__are_pressed_and_followed(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    send(ada, "Invoice 1", actions=[{"label": "Look", "url": "/shop?invoice=1"}])
    send(ada, "Invoice 2", actions=[PAY, {"label": "Pay elsewhere", "url": "https://pay.example/2"}])
    shop = Shop.open(ada, shared_hub, page_factory)
    tokens: list[str] = []

    def take(route: Route) -> None:
        tokens.append(route.request.headers["x-csrftoken"])
        route.fulfill(body="<title>Paid</title>", content_type="text/html")

    shop.page.route("**/pay/7/", take)
    shop.bell.press("Enter")
    elsewhere = shop.panel.get_by_role("link", name="Pay elsewhere")
    expect(elsewhere).to_have_attribute("href", "https://pay.example/2")
    expect(elsewhere).to_have_attribute("rel", "noopener")
    pay = shop.panel.get_by_role("button", name="Pay")
    pay.press("Enter")
    wait_until(lambda: shop.is_read("Invoice 2"))
    expect(shop.toasts.filter(has_text="Done: Pay")).to_be_visible()
    expect(pay).to_be_focused()
    assert tokens == ["c" * 32]
    look = shop.panel.get_by_role("link", name="Look")
    expect(look).not_to_have_attribute("rel", "noopener")
    look.press("Enter")
    shop.page.wait_for_url("**/shop?invoice=1")
    wait_until(lambda: shop.is_read("Invoice 1"))


def test_inbox_that_shows_it__has_no_toast_over_it__and_one_where_it_does_not(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    for number in range(25):
        send(ada, f"Order {number}.")
    inbox = InboxPage.of(ada, shared_hub, page_factory)
    expect(inbox.notes).to_have_count(25)
    inbox.keep_toasts()
    send(ada, "Seen in the list")
    expect(inbox.note("Seen in the list")).to_have_count(1)
    inbox.page.evaluate("scrollTo(0, document.body.scrollHeight)")
    send(ada, "Above what is looked at")
    inbox.expect_toast("Above what is looked at")
    inbox.page.goto(f"{shared_hub.base_url}/?category=imports")
    inbox.expect_state("live")
    send(ada, "Not in this category")
    expect(inbox.toasts).to_contain_text(["Not in this category"])


def test_toasts__said_nothing_of_what_the_inbox_showed(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    inbox = InboxPage.of(ada, shared_hub, page_factory)
    inbox.keep_toasts()
    send(ada, "Order 1")
    expect(inbox.notes).to_have_count(1)
    inbox.press("Order 1", "Archive")
    inbox.expect_toast("Archived: Order 1")
    told: list[str] = inbox.page.evaluate("toldByToasts")
    assert all("Archived" in words for words in told)


def test_back__after_one_was_archived__offers_no_undo_of_what_is_done(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    for number in (1, 2):
        send(ada, f"Order {number}")
    shop = Shop.open(ada, shared_hub, page_factory)
    shop.page.evaluate("addEventListener('pageshow', (event) => { window.wasKept = event.persisted; })")
    shop.bell.click()
    shop.panel.locator(".note").filter(has_text="Order 1").get_by_role("button", name="Archive").click()
    expect(shop.toasts).to_have_count(1)
    shop.page.goto(f"{shared_hub.base_url}/shop?elsewhere")
    wait_until(lambda: is_gone("Order 1"))
    shop.page.go_back(wait_until="commit")  # a page that was kept is not loaded again
    wait_until(lambda: bool(shop.page.evaluate("window.wasKept")))
    assert shop.toasts.count() == 0  # at once: in time it would go by itself
    expect(shop.bell).to_have_attribute("data-state", "live")
    expect(shop.panel.locator(".note")).to_have_count(1)
    # And it works on: the next one can be undone again.
    shop.panel.get_by_role("button", name="Archive").click()
    shop.toasts.get_by_role("button", name="Undo").click()
    expect(shop.panel.locator(".note")).to_have_count(1)
    assert not is_gone("Order 2")


def test_undo__by_keyboard__is_one_key_away_and_leads_back(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    for number in range(1, 22):
        send(ada, f"Order {number}.")
    inbox = InboxPage.of(ada, shared_hub, page_factory)
    expect(inbox.notes).to_have_count(21)
    keyboard = inbox.page.keyboard
    inbox.note("Order 7.").get_by_role("button", name="Archive").focus()
    keyboard.press("Enter")
    expect(inbox.notes).to_have_count(20)
    neighbour = inbox.note("Order 6.").get_by_role("button", name="Archive")
    expect(neighbour).to_be_focused()
    keyboard.press("Control+z")
    expect(inbox.notes).to_have_count(21)
    expect(inbox.toasts).to_have_count(0)
    inbox.note("Order 7.").get_by_role("button", name="Archive").focus()
    keyboard.press("Enter")
    expect(neighbour).to_be_focused()
    keyboard.press("Tab")
    expect(inbox.toasts.get_by_role("button", name="Undo")).to_be_focused()
    # On it goes through the page from where it was, and is not led round in a ring.
    keyboard.press("Tab")
    expect(inbox.toasts.get_by_role("button", name="Dismiss")).to_be_focused()
    keyboard.press("Tab")
    expect(neighbour).to_be_focused()
    keyboard.press("Tab")
    expect(inbox.note("Order 5.").get_by_role("button", name="Mark as read")).to_be_focused()
    keyboard.press("Control+z")
    expect(inbox.notes).to_have_count(21)


def test_undo__of_the_page_itself__is_left_to_it(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    send(ada, "Order 1")
    shop = Shop.open(ada, shared_hub, page_factory, body=f"{SCRIPT}{BELL}<textarea></textarea>")
    shop.bell.click()
    shop.panel.get_by_role("button", name="Archive").click()
    shop.page.locator("textarea").focus()
    shop.page.keyboard.type("a")
    shop.page.keyboard.press("Control+z")
    expect(shop.page.locator("textarea")).to_have_value("")
    expect(shop.toasts).to_have_count(1)
    assert not is_gone("Order 1")


def test_undo__has_time_enough__and_all_the_time_while_it_is_pointed_at_or_has_the_focus(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    send(ada, "Order 1")
    shop = Shop.open(ada, shared_hub, page_factory)
    shop.page.clock.install()
    shop.page.clock.resume()
    shop.bell.click()
    shop.panel.get_by_role("button", name="Archive").click()
    undo = shop.toasts.get_by_role("button", name="Undo")
    shop.page.clock.run_for(20_000)
    expect(undo).to_be_visible()
    shop.toasts.hover()
    shop.page.clock.run_for(60_000)
    expect(undo).to_be_visible()
    shop.page.mouse.move(0, 0)
    undo.focus()
    shop.page.clock.run_for(60_000)
    expect(undo).to_be_visible()
    assert not is_gone("Order 1")
    shop.bell.focus()
    shop.page.clock.run_for(30_000)
    expect(shop.toasts).to_have_count(0)
    wait_until(lambda: is_gone("Order 1"))
