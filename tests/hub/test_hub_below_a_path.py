"""The site below a path: whatever a page or an answer points to is there, and the live parts work."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import User

from notifications import services
from tests.helpers.browser import PageFactory, expect, session_cookie
from tests.helpers.factories import make_user, order_event, send
from tests.helpers.processes import HubProcess, ServerName
from tests.helpers.staff import INBOXES, make_staff

# Where the site stands is the same in both shapes.
pytestmark = [pytest.mark.system, pytest.mark.shape("embedded")]

ROOT = "/hub"
# Where a server is told, and whether the proxy before it then takes the path off.
TOLD: list[tuple[ServerName, dict[str, str], str]] = [
    ("serve", {"ROOT_PATH": "/hub/"}, ""),
    ("serve", {"ROOT_PATH": "/hub/"}, ROOT),
    ("daphne", {"ROOT_PATH": "/hub"}, ""),
    ("uvicorn", {"UVICORN_ROOT_PATH": "/hub"}, ""),
]
IN_SCRIPTS = ("data-schema", "data-stream", "data-progress", "login-url", "inbox-url", "api")


class Links(HTMLParser):
    """Every path of this site that a page points to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.paths: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Links, files, forms, and what scripts are given."""
        for name, value in attrs:
            if name in ("href", "src", "action", *IN_SCRIPTS) and value and value.startswith("/"):
                self.paths.append(re.sub(r"[?#].*", "", value))


@pytest.fixture
def vera(transactional_db: None) -> User:
    return make_staff("vera", "view_notification", "view_content", "view_inbox", "view_streamsession")


@pytest.mark.parametrize(("server", "env", "before"), TOLD)
def test_pages_and_answers__point_to_what_is_below_the_path(
    share_hub: Callable[..., HubProcess], vera: User, server: ServerName, env: dict[str, str], before: str
) -> None:
    hub = share_hub(server, env=env)
    ids = [send(vera, event=order_event(number)) for number in range(2)]
    client, static = hub.client(vera), set()
    for path in ("/", "/account/password/", "/admin/", f"{INBOXES}tail/", "/api/docs/"):
        answer = client.get(before + path)
        assert answer.status_code == 200, path
        links = Links(answer.text).paths
        assert links
        assert [link for link in links if not f"{link}/".startswith(f"{ROOT}/")] == [], path
        static |= {link for link in links if "/static/" in link}
    for path in sorted(static):
        assert client.get(before + path.removeprefix(ROOT)).status_code == 200, path
    if before:
        assert client.get(ROOT).status_code == 200, "where the admin leads back to"
    page = client.get(f"{before}/api/v1/notifications?limit=1").json()
    assert page["next"].startswith(f"{hub.base_url}{ROOT}/api/v1/notifications?")
    assert client.get(f"{before}/api/v1/schema").json()["servers"] == [{"url": ROOT}]
    asked = hub.client().get(f"{before}/admin/")
    assert (asked.status_code, asked.headers["location"]) == (302, f"{ROOT}/admin/login/?next={ROOT}/admin/")
    assert client.get(f"{before}/admin").headers["location"].startswith(f"{ROOT}/admin/")
    for path in ("/api/v1/notifications/stream", "/notifications/stream"):
        with hub.stream(vera, "after=earliest&closeafter=live", path=before + path) as stream:
            assert (stream.status, stream.wait_ended()) == (200, "clean")
            assert len(stream.of_type("notification.created", "/orders/order/shipped")) == len(ids)
    poll = client.get(f"{before}/api/v1/notifications/changes?wait=1&after={page['cursor']}")
    assert poll.json()["changes"] == []


@pytest.mark.browser
def test_browser__bell_inbox_docs_and_tail__work_below_the_path(
    share_hub: Callable[..., HubProcess], vera: User, page_factory: PageFactory
) -> None:
    hub = share_hub("serve", env=TOLD[0][1])
    page = page_factory()
    page.context.add_cookies([session_cookie(vera, hub)])
    page.goto(f"{hub.base_url}{ROOT}/")
    expect(page.locator("notification-inbox > .status")).to_have_attribute("data-state", "live")
    send(vera, "Below a path")
    expect(page.locator("notification-inbox .note")).to_contain_text("Below a path")
    expect(page.locator("notification-bell .badge")).to_have_text("1")
    page.locator("notification-inbox .tools button").click()
    expect(page.locator("notification-bell .badge")).to_be_hidden()
    assert services.open_inbox(vera.pk).unread_count == 0
    page.goto(f"{hub.base_url}{ROOT}/api/docs/")
    operation = page.locator("#operations-reading-counts_get")
    operation.locator(".opblock-summary").click()
    operation.locator(".try-out__btn").click()
    operation.locator(".execute").click()
    expect(operation.locator(".live-responses-table tbody .response-col_status").first).to_contain_text("200")
    page.goto(f"{hub.base_url}{ROOT}{INBOXES}tail/")
    expect(page.locator(".tail-status")).to_have_attribute("data-state", "live")
    send(vera, "In the tail")
    expect(page.locator(".tail-rows tr").first).to_contain_text("In the tail")


def test_client__who_names_a_path_in_a_header__changes_nothing(
    share_hub: Callable[..., HubProcess], vera: User
) -> None:
    hub = share_hub("daphne")
    make_user("ada")
    answer = hub.client(vera).get("/", headers={"Daphne-Root-Path": "/evil"})
    assert answer.status_code == 200
    assert "/evil" not in answer.text
