"""What tests of the page share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.pages.scripts import script_page


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """An empty page, in which the tests of a module call the page's script modules."""
    with script_page(browser) as blank:
        yield blank
