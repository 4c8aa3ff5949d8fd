"""The tests' browser: pages are real, separate persons, and what goes wrong in them is not overlooked."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.contrib.auth import get_user_model
from playwright.sync_api import Browser
from playwright.sync_api import Error as PlaywrightError

from tests.helpers.browser import PageFactory, expect

pytestmark = [pytest.mark.browser, pytest.mark.shape("embedded")]

PAGE = b"""<!doctype html><title>t</title><link rel="icon" href="data:,">
<button>Count</button><output>0</output>
<script>
const count = () => document.querySelector("output").textContent++;
document.querySelector("button").onclick = () => setTimeout(count, 50);
</script>"""


class Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Set-Cookie", "seen=1")
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with contextlib.closing(_Closing(("127.0.0.1", 0), Site)) as server:
        yield f"http://127.0.0.1:{server.server_port}/"


class _Closing(ThreadingHTTPServer):
    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


@pytest.mark.django_db
def test_page__clicked__changes_and_leaves_django_and_asyncio_usable(
    page_factory: PageFactory, site: str
) -> None:
    page = page_factory()
    page.goto(site)
    page.get_by_role("button", name="Count").click()
    expect(page.locator("output")).to_have_text("1")
    with page.expect_navigation():
        page.evaluate("location.reload()")
    assert page.url == site
    # With Playwright in this thread Django refuses the first and asyncio the second.
    assert get_user_model().objects.count() == 0
    assert asyncio.run(asyncio.sleep(0, "ran")) == "ran"


def test_expect__what_does_not_hold__fails_the_test(page_factory: PageFactory, site: str) -> None:
    page = page_factory()
    page.goto(site)
    with pytest.raises(AssertionError):
        expect(page.locator("output")).to_have_text("1", timeout=100)
    with pytest.raises(PlaywrightError):
        page.click("#missing", timeout=100)


def test_pages__of_two_persons__share_no_cookies_and_tabs_of_one_do(
    page_factory: PageFactory, site: str
) -> None:
    ada, grace = page_factory(), page_factory()
    ada.goto(site)
    tab = page_factory.tab(ada.context)
    assert [len(page.context.cookies(site)) for page in (ada, grace, tab)] == [1, 0, 1]


@pytest.mark.parametrize(
    "mistake",
    ["console.error('wrong')", "setTimeout(() => { throw new Error('wrong') })"],
    ids=["console", "uncaught"],
)
def test_problems__of_a_page__are_found_unless_ignored(browser: Browser, site: str, mistake: str) -> None:
    for ignore, count in (((), 1), (("wrong",), 0)):
        factory = PageFactory(browser)
        page = factory(ignore=ignore)
        page.goto(site)
        page.evaluate(f"() => {{ {mistake} }}")
        page.evaluate("() => new Promise(done => setTimeout(done, 20))")
        assert len(factory.problems()) == count
        factory.close()
