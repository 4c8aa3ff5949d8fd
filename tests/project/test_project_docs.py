"""The documentation is complete: what the code has, the pages name."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from notifications.conf import HubConfig
from notifications.event_types import EventType, registry

pytestmark = pytest.mark.shape("embedded")

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("item", fields(HubConfig), ids=lambda item: item.name)
def test_settings__each_has_a_row_with_its_default_and_its_reason(item: object) -> None:
    name, default, why = item.name, item.default, item.metadata["why"]  # type: ignore[attr-defined]
    row = re.search(
        rf"^\| `HUB_{name.upper()}` \| (.+?) \| (.+) \|$", (ROOT / "docs/settings.md").read_text(), re.M
    )
    assert row is not None
    shown = "empty" if default in ((), "") else f"`{int(default) if isinstance(default, bool) else default}`"
    assert row.groups() == (shown, why)


def test_links__between_the_pages__lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    assert pages
    links = [
        (page, link) for page in pages for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    ]
    assert [f"{page.name}: {link}" for page, link in links if not (page.parent / link).exists()] == []


def test_event_types__each_argument_has_a_row__and_the_declaration_of_the_page_holds() -> None:
    page = (ROOT / "docs/event-types.md").read_text("utf-8")
    rows = re.findall(r"^\| (`.+?`) \| .+ \|.*\|$", page, re.M)
    arguments = list(inspect.signature(EventType.__init_subclass__).parameters)
    assert [name for row in rows for name in re.findall(r"`(\w+)`", row)][: len(arguments)] == arguments
    declaration = re.search(r"```python\n(# orders/.+?)```", page, re.DOTALL)
    assert declaration is not None
    names: dict[str, object] = {"__name__": __name__}
    exec(compile(declaration[1], "docs/event-types.md", "exec", dont_inherit=True), names)
    shipped: Any = names["OrderShipped"]
    try:
        described = shipped.describe()
        assert (described["label"], described["category_label"]) == ("Order shipped", "Shipping")
        assert shipped.from_data({"order_id": 7, "due": "2026-11-21"}).due.year == 2026
    finally:
        registry.remove(shipped)


def test_readme__can_be_read_in_five_minutes() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
