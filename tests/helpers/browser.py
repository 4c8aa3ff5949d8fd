"""A real Chromium, driven from ordinary tests, and the user's page in it.

Playwright's synchronous API keeps an event loop running in the thread that uses it: in the test's own thread
Django would then refuse every query, and pytest-asyncio could not run a loop. So all of Playwright lives in
one thread of its own, and the test holds `_Remote` objects that pass each call on to it and look like
Playwright's.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from django.conf import settings
from django.contrib.auth.models import User
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Playwright,
    sync_playwright,
)
from playwright.sync_api import expect as playwright_expect

from tests.helpers.processes import HubProcess, new_session_key
from tests.helpers.waiting import LONG_SECONDS, PATIENCE_SECONDS, wait_until

EXECUTABLES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PLAIN_HOST = "hub.example"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A name other than localhost: over plain http its pages are no secure context, as on an intranet.
    f"--host-resolver-rules=MAP {PLAIN_HOST} 127.0.0.1",
)
START_MILLISECONDS = 1000 * LONG_SECONDS  # the first time it is read from the disk
WAIT_MILLISECONDS = 1000 * PATIENCE_SECONDS
SCREENSHOTS = Path(__file__).resolve().parents[2] / "test-results"


class ChromiumMissing(Exception):
    """No Chromium on the PATH: `make test` installs it or says what to install."""


def chromium_program() -> str:
    """The system's Chromium. Raises `ChromiumMissing`."""
    for name in EXECUTABLES:
        if found := shutil.which(name):
            return found
    raise ChromiumMissing(f"none of {', '.join(EXECUTABLES)} is on the PATH")


class _Remote:
    """An object of Playwright's that lives in the browser's thread."""

    def __init__(self, thread: ThreadPoolExecutor, target: Any) -> None:
        self.__dict__.update(_thread=thread, _target=target)

    def __getattr__(self, name: str) -> Any:
        return _wrap(self._thread, self._thread.submit(getattr, self._target, name).result())

    def __enter__(self) -> Any:
        return _wrap(self._thread, self._thread.submit(self._target.__enter__).result())

    def __exit__(self, *exc_info: object) -> Any:
        return self._thread.submit(self._target.__exit__, *exc_info).result()

    def __repr__(self) -> str:
        return repr(self._target)


def _wrap(thread: ThreadPoolExecutor, value: Any) -> Any:
    """What the test gets for `value`: plain data as it is, the rest passes its calls on."""
    if isinstance(value, list):
        return [_wrap(thread, item) for item in value]
    if callable(value):

        def call(*args: Any, **kwargs: Any) -> Any:
            plain = [_unwrap(argument) for argument in args]
            named = {name: _unwrap(argument) for name, argument in kwargs.items()}
            return _wrap(thread, thread.submit(value, *plain, **named).result())

        return call
    if type(value).__module__.startswith("playwright."):
        return _Remote(thread, value)
    return value


def _unwrap(value: Any) -> Any:
    return value.__dict__["_target"] if isinstance(value, _Remote) else value


def expect(subject: Any, message: str | None = None) -> Any:
    """Playwright's `expect()`, for pages and locators of this module: waits until what it asserts holds, or
    fails.
    """
    thread: ThreadPoolExecutor = subject.__dict__["_thread"]
    return _wrap(thread, thread.submit(playwright_expect, _unwrap(subject), message).result())


@contextmanager
def running_browser() -> Iterator[Browser]:
    """A Chromium for a block of code. Raises `ChromiumMissing`."""
    program = chromium_program()
    with ThreadPoolExecutor(1, thread_name_prefix="test-browser") as thread:
        playwright: Playwright = thread.submit(lambda: sync_playwright().start()).result()
        try:
            browser = thread.submit(
                playwright.chromium.launch,
                executable_path=program,
                args=list(ARGUMENTS),
                # People who press Back get the page as they left it, and so do the tests.
                ignore_default_args=["--disable-back-forward-cache"],
                headless=True,
                timeout=START_MILLISECONDS,
            ).result()
            playwright_expect.set_options(timeout=WAIT_MILLISECONDS)
            try:
                yield cast(Browser, _Remote(thread, browser))
            finally:
                thread.submit(browser.close).result()
        finally:
            thread.submit(playwright.stop).result()


class PageFactory:
    """Makes pages, each of a person of their own (cookies, storage), and remembers what went wrong in
    them.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._pages: list[Page] = []
        self._problems: list[str] = []

    def __call__(self, *, ignore: Sequence[str] = (), **options: Any) -> Page:
        """A new page of a new person. `ignore` are regular expressions of console errors that the test brings
        about; `options` are Playwright's.
        """
        context = self._browser.new_context(**options)
        context.set_default_timeout(WAIT_MILLISECONDS)
        self._contexts.append(context)
        return self.tab(context, ignore=ignore)

    def tab(self, context: BrowserContext, *, ignore: Sequence[str] = ()) -> Page:
        """One more page of the same person: `factory.tab(page.context)`."""
        page = context.new_page()
        page.on("console", self._console_listener(ignore))
        page.on("pageerror", lambda error: self._note(f"uncaught: {error}", ignore))
        self._pages.append(page)
        return page

    def _console_listener(self, ignore: Sequence[str]) -> Callable[[ConsoleMessage], None]:
        def listen(message: ConsoleMessage) -> None:
            if message.type == "error":
                self._note(f"console: {message.text} ({message.location.get('url', '')})", ignore)

        return listen

    def _note(self, problem: str, ignore: Sequence[str]) -> None:
        if not any(re.search(pattern, problem) for pattern in ignore):
            self._problems.append(problem)

    def problems(self) -> list[str]:
        """What the pages complained about so far; those that were closed too."""
        for page in self._pages:
            if not page.is_closed():
                page.evaluate("0")  # lets the events that are waiting come in
        return self._problems

    def screenshots(self, name: str) -> None:
        """A picture of every open page under `test-results/`, for a test that has failed."""
        for number, page in enumerate(page for page in self._pages if not page.is_closed()):
            screenshot(page, f"{name}-{number}")

    def close(self) -> None:
        """Close all pages."""
        for context in self._contexts:
            context.close()


def screenshot(page: Page, name: str) -> Path:
    """A picture of the whole page as `test-results/NAME.png`; returns its path."""
    path = SCREENSHOTS / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', name)}.png"
    # Hiding the caret takes an inline style, which our content security policy refuses, aloud.
    page.screenshot(path=path, full_page=True, caret="initial")
    return path


def log_in(page: Page, base_url: str, username: str, password: str) -> None:
    """Log in through the form, as a person does, and wait for the page behind it."""
    page.goto(base_url + "/")
    page.fill("input[name=username]", username)
    page.fill("input[name=password]", password)
    page.press("input[name=password]", "Enter")
    page.wait_for_selector("input[name=password]", state="detached")


KEEP_TOASTS = """
() => {
    const { shadowRoot } = document.querySelector("notification-bell");
    window.toldByToasts = [];
    new MutationObserver(() => {
        const toasts = shadowRoot.querySelectorAll(".toast");
        for (const toast of toasts) window.toldByToasts.push(toast.textContent);
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
