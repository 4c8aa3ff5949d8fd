"""The user's page as tests see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from playwright.sync_api import Locator, Page

from tests.helpers.browser import PageFactory, expect
from tests.helpers.processes import HubProcess, new_session_key
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until

KEEP_TOASTS = """
() => {
    const { shadowRoot } = document.querySelector("notification-bell");
    window.toldByToasts = [];
    new MutationObserver(() => {
        for (const toast of shadowRoot.querySelectorAll(".toast")) window.toldByToasts.push(toast.textContent);
    }).observe(shadowRoot, { childList: true, subtree: true });
}
"""


class InboxPage:
    """A tab with the user's inbox.

    Attributes:
        page: Playwright's page.
        notes: the rows of the list.
        status: the line that says how the page is kept up to date.
        bell: the button; `badge` is its count, `panel` what it opens.
    """

    def __init__(self, page: Page, hub: HubProcess) -> None:
        self.page = page
        self.hub = hub
        self.notes = page.locator("notification-inbox .note")
        self.status = page.locator("notification-inbox > .status")
        self.bell = page.locator("notification-bell .bell")
        self.badge = page.locator("notification-bell .badge")
        self.panel = page.locator("notification-bell .panel")
        self.toasts = page.locator("notification-bell .toast")

    @classmethod
    def of(
        cls, user: User, hub: HubProcess, pages: PageFactory, *, state: str = "live", **options: Any
    ) -> InboxPage:
        """A new browser in which the user is logged in, on the inbox, in a state of its link."""
        page = pages(**options)
        page.context.add_cookies([session_cookie(user, hub)])
        return cls(page, hub).visit(state=state)

    def visit(self, path: str = "/", *, state: str = "live") -> InboxPage:
        """Go to a path and wait until the link is in a state."""
        self.page.goto(self.hub.base_url + path)
        self.expect_state(state)
        return self

    def tab(self, pages: PageFactory, *, ignore: Sequence[str] = ()) -> InboxPage:
        """One more tab of the same browser."""
        return InboxPage(pages.tab(self.page.context, ignore=ignore), self.hub).visit()

    def expect_state(self, state: str, *, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait for a state of the link."""
        expect(self.status).to_have_attribute("data-state", state, timeout=seconds * 1000)

    def keep_toasts(self) -> None:
        """From now on keep what the toasts say: each goes by itself after some seconds, which a busy machine
        may need for something else.
        """
        self.page.evaluate(KEEP_TOASTS)

    def expect_toast(self, text: str) -> None:
        """Wait until a toast has said this, whether or not it is there still. Only after `keep_toasts`."""
        wait_until(
            lambda: any(text in told for told in self.page.evaluate("window.toldByToasts")),
            what=f"a toast that says {text}",
        )

    def expect_unread(self, count: int) -> None:
        """Wait for a count on the bell and in the title."""
        expect(self.badge).to_have_text(str(count)) if count else expect(self.badge).to_be_hidden()
        expect(self.page).to_have_title(f"({count}) Notifications" if count else "Notifications")

    def expect_titles(self, *titles: str) -> None:
        """Wait for a list of exactly these, newest first."""
        expect(self.notes.locator(".note-title bdi")).to_have_text(list(titles))

    def note(self, title: str) -> Locator:
        """The row of a title."""
        return self.notes.filter(has_text=title)

    def press(self, title: str, name: str) -> None:
        """Press a button of a row."""
        self.note(title).get_by_role("button", name=name).click()


def session_cookie(user: User, hub: HubProcess) -> Any:
    """A cookie of a new session of the user. It is no login: nobody is told of it."""
    return {"name": settings.SESSION_COOKIE_NAME, "value": new_session_key(user), "url": hub.base_url}
