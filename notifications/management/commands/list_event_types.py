"""``manage.py list_event_types``: what installed apps declare."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandParser

from notifications.event_types import EventType, registry
from notifications.management.base import HubCommand

HEADINGS = ("Name", "Category", "Level", "Sent as", "Over HTTP", "Label", "Fields")


class Command(HubCommand):
    """Prints the declared event types, ordered by name."""

    help = (
        "List the event types that installed apps declare, ordered by name. “Sent as” says whether a type is "
        "a notification, a transient event, or may be both. “Over HTTP” says who may send it: any producer, "
        "or only one whose token names the type. Of the fields, those with “?” may be left out, and those "
        "with “*” are secret."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the option for programs."""
        parser.add_argument(
            "--json", action="store_true", help="as GET /api/v1/event-types has it, with the schema of each"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print them."""
        if options["json"]:
            described = [event_type.describe() for event_type in registry]
            self.stdout.write(json.dumps(described, indent=2, ensure_ascii=False))
            return
        for line in table([HEADINGS, *map(row_of, registry)]):
            self.stdout.write(line)


def row_of(event_type: type[EventType]) -> tuple[str, ...]:
    """Return the row of a type, in the order of the headings."""
    described = event_type.describe()
    ways = {"notification": described["durable"], "transient": described["transient"]}
    return (
        described["name"],
        described["category"],
        described["level"],
        "both" if all(ways.values()) else next(way for way, is_open in ways.items() if is_open),
        "any producer" if event_type.over_http else "named token",
        described["label"],
        " ".join(_field_words(event_type, described["schema"])) or "none",
    )


def table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Return the lines of a table whose columns are as wide as their widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _field_words(event_type: type[EventType], schema: dict[str, Any]) -> Iterator[str]:
    for name in schema["properties"]:
        is_optional = name not in schema.get("required", ())
        yield name + "?" * is_optional + "*" * (name in event_type.secret_fields)
