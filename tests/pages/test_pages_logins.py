"""Who is logged in, as several tabs of one browser see it: the hub alone says so, and nobody is shown what is
somebody else's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session

from notifications import selectors, services
from notifications.models import EndReason
from tests.helpers.browser import PLAIN_HOST, InboxPage, PageFactory, expect, log_in, session_cookie
from tests.helpers.factories import send
from tests.helpers.processes import HubProcess
from tests.helpers.waiting import wait_until

# A page sees no difference between the shapes.
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.browser,
    pytest.mark.system,
    pytest.mark.shape("embedded"),
]

# What Chromium itself says in the console when a request is answered 401.
REFUSED = ("Failed to load resource",)
# And of a header that asks for more than plain http can give.
UNTRUSTWORTHY = ("Cross-Origin-Opener-Policy header has been ignored",)
TWO_LINES = (
    '<script type="module" '
    'src="/static/notifications/bell.js"></script>\n<notification-bell></notification-bell>'
)


class ShopPage(InboxPage):
    """A page of somebody else's with nothing of ours but the bell in two lines."""

    def visit(self, path: str = "/shop", *, state: str = "live") -> ShopPage:
        """Go there and wait until its bell is in a state."""
        page = f"<!doctype html><title>Shop</title>{TWO_LINES}"
        self.page.route(
            "**/shop*", lambda route: route.fulfill(body=page, content_type="text/html; charset=utf-8")
        )
        self.page.goto(self.hub.base_url + path)
        self.expect_state(state)
        return self

    def expect_state(self, state: str, **options: Any) -> None:
        """Wait for a state of the bell."""
        expect(self.bell).to_have_attribute("data-state", state, **options)

    def toasts_of(self) -> list[str]:
        """What its toasts have said. Only after ``keep_toasts``."""
        told: list[str] = self.page.evaluate("window.toldByToasts")
        return told


def become(tab: InboxPage, user: User) -> None:
    """Replace the cookies of a browser, as whoever writes them himself does: nobody has logged out."""
    tab.page.context.clear_cookies()
    tab.page.context.add_cookies([session_cookie(user, tab.hub)])


def log_out(tab: InboxPage) -> None:
    tab.page.locator(".menu summary").click()
    tab.page.get_by_role("button", name="Log out").click()
    expect(tab.page.get_by_role("heading", name="Log in")).to_be_visible()


def lose_session(tab: InboxPage) -> None:
    Session.objects.all().delete()
    tab.expect_state("signed-out")


@pytest.mark.parametrize("end", [log_out, lose_session])
def test_login__after_the_last_one_ended__brings_all_tabs_back(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User, end: Callable[[InboxPage], None]
) -> None:
    first = InboxPage.of(ada, shared_hub, page_factory, ignore=REFUSED)
    second = first.tab(page_factory, ignore=REFUSED)
    end(second)
    first.expect_state("signed-out")
    log_in(second.page, shared_hub.base_url, "ada", "ada")
    for tab in (second, first):
        tab.expect_state("live")
    second.visit()
    send(ada, "After the login")
    for tab in (second, first):
        expect(tab.note("After the login")).to_have_count(1)
    # They share one stream again.
    wait_until(lambda: len(selectors.open_streams(ada.pk)) == 1, what="one stream for both tabs")


def test_password__changed_in_one_tab__leaves_the_others_signed_in(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    first = InboxPage.of(ada, shared_hub, page_factory)
    second = first.tab(page_factory)
    first.page.evaluate("""() => {
      window.states = [];
      const status = document.querySelector("notification-inbox > .status");
      new MutationObserver(() => states.push(status.dataset.state)).observe(status, { attributes: true });
    }""")
    second.page.goto(f"{shared_hub.base_url}/account/password/")
    second.page.fill("input[name=old_password]", "ada")
    for name in ("new_password1", "new_password2"):
        second.page.fill(f"input[name={name}]", "a-better-one-8")
    second.page.press("input[name=new_password2]", "Enter")
    second.page.wait_for_selector("input[name=old_password]", state="detached")
    first.expect_titles("Your password was changed")
    # The stream under the old key has ended by now, or ends soon: the next one is under the new key.
    old = [stream.pk for stream in selectors.open_streams(ada.pk)]
    services.end_streams(old, EndReason.ROTATE)
    wait_until(lambda: selectors.open_streams(ada.pk), what="a stream of the session's new key")
    send(ada, "After the change")
    first.expect_titles("After the change", "Your password was changed")
    first.expect_state("live")
    assert "signed-out" not in first.page.evaluate("states")


def test_bell_in_two_lines__of_whoever_logs_in_next__knows_nothing_of_the_one_before(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User, grace: User
) -> None:
    send(ada, "For ada alone")
    page = page_factory(ignore=REFUSED)
    page.context.add_cookies([session_cookie(ada, shared_hub)])
    adas = ShopPage(page, shared_hub).visit()
    expect(adas.badge).to_have_text("1")
    inbox = InboxPage(page_factory.tab(page.context, ignore=REFUSED), shared_hub).visit()
    log_out(inbox)
    adas.expect_state("signed-out")
    log_in(inbox.page, shared_hub.base_url, "grace", "grace")
    graces = ShopPage(page_factory.tab(page.context), shared_hub).visit()
    send(ada, "For ada alone, too")
    send(grace, "For grace")
    for tab in (graces, inbox):
        expect(tab.badge).to_have_text("2")  # her login has told her of itself
    adas.expect_state("signed-out")
    expect(adas.badge).to_have_text("1")


def test_bell_in_two_lines__cookies_replaced_without_a_logout__shows_nobody_what_is_anothers(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User, grace: User
) -> None:
    page = page_factory(ignore=REFUSED)
    page.context.add_cookies([session_cookie(ada, shared_hub)])
    adas = ShopPage(page, shared_hub).visit()
    become(adas, grace)
    graces = ShopPage(page_factory.tab(page.context), shared_hub).visit()
    for tab in (adas, graces):
        tab.keep_toasts()
    adas.expect_state("signed-out")
    send(ada, "For ada")
    send(grace, "For grace")
    graces.expect_toast("For grace")
    expect(graces.badge).to_have_text("1")
    assert not [told for told in graces.toasts_of() if "For ada" in told]
    assert adas.toasts_of() == []
    # Her own cookie again: her page goes on where it was.
    become(adas, ada)
    other = ShopPage(page_factory.tab(page.context), shared_hub).visit()
    adas.expect_state("live")
    send(ada, "For ada, again")
    for tab in (adas, other):
        tab.expect_toast("For ada, again") if tab is adas else expect(tab.badge).to_have_text("2")


def test_stream__that_comes_back_with_anothers_cookie__is_not_shown(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User, grace: User
) -> None:
    """No page of grace's is open, so nobody tells ada's: the stream itself does."""
    send(grace, "For grace")
    page = page_factory(ignore=REFUSED)
    page.context.add_cookies([session_cookie(ada, shared_hub)])
    adas = ShopPage(page, shared_hub).visit()
    adas.keep_toasts()
    become(adas, grace)

    def rotate() -> int:
        return services.end_streams(
            [stream.pk for stream in selectors.open_streams(ada.pk)], EndReason.ROTATE
        )

    wait_until(rotate, what="a stream to rotate")
    adas.expect_state("signed-out")
    expect(adas.badge).to_be_hidden()
    wait_until(lambda: not selectors.open_streams(grace.pk), what="the end of the stream that was not ours")
    assert adas.toasts_of() == []


def test_seven_tabs__over_plain_http_without_web_locks__share_one_stream(
    share_hub: Callable[..., HubProcess], page_factory: PageFactory, ada: User
) -> None:
    hub = share_hub(env={"ALLOWED_HOSTS": f"{PLAIN_HOST},127.0.0.1"})
    here = f"http://{PLAIN_HOST}:{hub.port}/"
    page = page_factory(ignore=UNTRUSTWORTHY)
    cookie: Any = {**session_cookie(ada, hub), "url": here}
    page.context.add_cookies([cookie])
    tabs = [InboxPage(page, hub)]
    tabs += [InboxPage(page_factory.tab(page.context, ignore=UNTRUSTWORTHY), hub) for _ in range(6)]
    for tab in tabs:
        tab.page.goto(here)
        tab.expect_state("live")
    assert page.evaluate("[isSecureContext, 'locks' in navigator]") == [False, False]
    wait_until(lambda: len(selectors.open_streams(ada.pk)) == 1, what="one stream for all tabs")
    send(ada, "For all tabs")
    for tab in tabs:
        expect(tab.note("For all tabs")).to_have_count(1)
    tabs[-1].press("For all tabs", "Mark as read")
    tabs[0].expect_unread(0)
    # The tab that has the stream goes; another one has it at once.
    tabs[0].page.close()
    send(ada, "After the first tab")
    for tab in tabs[1:]:
        tab.expect_titles("After the first tab", "For all tabs")
    wait_until(lambda: len(selectors.open_streams(ada.pk)) == 1, what="one stream for those that are left")
