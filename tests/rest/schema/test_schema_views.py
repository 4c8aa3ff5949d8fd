"""The page that shows the API's description, in a real browser and under the strict content security
policy.
"""

from __future__ import annotations

import pytest

from tests.helpers.browser import PageFactory, expect
from tests.helpers.processes import HubProcess

pytestmark = [pytest.mark.system, pytest.mark.browser, pytest.mark.shape("embedded")]


def test_docs__in_a_browser__show_every_part_and_ask_no_other_host(
    live_hub: HubProcess, page_factory: PageFactory
) -> None:
    page = page_factory()
    hosts: list[str] = []
    page.on("request", lambda request: hosts.append(request.url))
    page.goto(f"{live_hub.base_url}/api/docs/")
    expect(page.locator(".opblock-tag")).to_have_count(6)
    operation = page.locator("#operations-reading-list_get")
    operation.locator(".opblock-summary").click()
    expect(operation.locator(".responses-table").first).to_be_visible()
    expect(operation).to_contain_text("before")
    assert [url for url in hosts if not url.startswith((live_hub.base_url, "data:", "blob:"))] == []
