"""``list_event_types``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO

import pytest
from django.core.management import call_command

from notifications.event_types import EventType, registry

pytestmark = pytest.mark.shape("embedded")


@pytest.fixture(autouse=True)
def types() -> Iterator[None]:
    class Typing(EventType, name="unit.chat.typing", durable=False):
        pass

    class Sent(
        EventType, name="unit.parcel.sent", category="unit_shipping", transient=False, over_http=False,
        secret=("code",), label="On its way",
    ):  # fmt: skip
        number: int
        code: str = ""

    class Lost(EventType, name="unit.parcel.lost", level="error"):
        number: int

    yield
    for event_type in (Typing, Sent, Lost):
        registry.remove(event_type)


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("list_event_types", *arguments, stdout=out)
    return out.getvalue()


def test_table__has_a_row_for_each_type_by_name_in_columns() -> None:
    lines = run().splitlines()
    cells = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]
    assert cells[0] == ["Name", "Category", "Level", "Sent as", "Over HTTP", "Label", "Fields"]
    assert cells[-3:] == [
        ["unit.chat.typing", "unit", "info", "transient", "any producer", "Chat typing", "none"],
        ["unit.parcel.lost", "unit", "error", "both", "any producer", "Parcel lost", "number"],
        [
            "unit.parcel.sent", "unit_shipping", "info", "notification", "named token", "On its way",
            "number code?*",
        ],
    ]  # fmt: skip
    assert len({len(line) - len(row[-1]) for line, row in zip(lines, cells, strict=True)}) == 1
    assert [row[0] for row in cells[1:]] == [event_type.type_name for event_type in registry]


def test_json__is_what_the_interface_answers() -> None:
    assert json.loads(run("--json")) == [event_type.describe() for event_type in registry]


def test_help__explains_the_columns(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call_command("list_event_types", "--help")
    printed = " ".join(capsys.readouterr().out.split())
    for words in ("--json", "“Sent as”", "“Over HTTP”", "GET /api/v1/event-types"):
        assert words in printed
