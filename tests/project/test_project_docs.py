"""The documentation is complete: what the code has, the pages name."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from notifications.conf import HubConfig

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


def test_readme__can_be_read_in_five_minutes() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
