"""The page's script modules, run in a real Chromium on an empty page of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page

from tests.helpers.processes import ROOT

FOLDER = ROOT / "static" / "notifications"
# Answered by the test itself; localhost, so that the page is a secure context like a deployed one.
ORIGIN = "http://scripts.localhost"


@contextmanager
def script_page(browser: Browser) -> Iterator[Page]:
    """An empty page that can import `/NAME.js` of `static/notifications/`."""
    context = browser.new_context()
    try:
        context.route(f"{ORIGIN}/**", _serve)
        page = context.new_page()
        page.goto(f"{ORIGIN}/")
        yield page
    finally:
        context.close()


def call(page: Page, module: str, function: str, argument: Any = None) -> Any:
    """Run the JavaScript `function(module, argument)` with one of the modules, and return what it returns."""
    return page.evaluate(
        f"async (argument) => ({function})(await import('{ORIGIN}/{module}'), argument)", argument
    )


def _serve(route: Any) -> None:
    name = route.request.url.removeprefix(f"{ORIGIN}/")
    if name.endswith(".js"):
        route.fulfill(path=FOLDER / name, content_type="text/javascript")
    else:
        route.fulfill(body="<!doctype html><title>scripts</title>", content_type="text/html")
