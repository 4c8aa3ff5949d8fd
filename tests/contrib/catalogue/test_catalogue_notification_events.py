"""The catalogue: its names, which of them are kept, and that a project decides whether to have it."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from jsonschema_rs import Draft202012Validator

from notifications import services
from notifications.event_types import EventType, encode_data, registry
from notifications.exceptions import InvalidInput
from notifications.models import Event
from tests.helpers.api import PUBLISH, draft, post, producer_api
from tests.helpers.processes import ROOT

pytestmark = pytest.mark.shape("embedded")

BOTH, TRANSIENT, DURABLE = (True, True), (False, True), (True, False)
SYNCS = {
    f"sync.{what}.{name}": way
    for what in ("accounts", "transactions", "holdings")
    for name, way in (("started", TRANSIENT), ("completed", BOTH), ("failed", DURABLE))
}
NAMES: Mapping[str, tuple[bool, bool]] = SYNCS | {
    "provider.token.expiring": DURABLE,
    "provider.token.refreshed": TRANSIENT,
    "provider.token.failed": DURABLE,
    "provider.disconnected": DURABLE,
    "ai.response.chunk": TRANSIENT,
    "ai.response.complete": BOTH,
    "ai.tool.executing": TRANSIENT,
    "import.started": TRANSIENT,
    "import.progress": BOTH,
    "import.completed": BOTH,
    "import.failed": DURABLE,
    "portfolio.balance.updated": BOTH,
    "portfolio.holdings.updated": BOTH,
    "portfolio.networth.updated": BOTH,
    "security.session.suspicious": DURABLE,
    "security.session.expiring": TRANSIENT,
}


@pytest.fixture(autouse=True)
def catalogue() -> Iterator[dict[str, type[EventType]]]:
    """Its types, declared as in a project that installs it."""
    module = importlib.import_module("notifications.contrib.catalogue.notification_events")
    declared = [
        item
        for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, EventType) and item is not EventType
    ]
    for event_type in declared:
        registry.add(event_type)
    yield {event_type.type_name: event_type for event_type in declared}
    for event_type in declared:
        registry.remove(event_type)


def test_catalogue__has_the_names_and_says_how_each_is_sent(catalogue: dict[str, type[EventType]]) -> None:
    assert {name: (item.is_durable, item.is_transient) for name, item in catalogue.items()} == NAMES
    assert {item.type_category for item in catalogue.values()} == {
        "data_sync", "provider", "ai", "import", "portfolio", "security",
    }  # fmt: skip
    assert registry.category_label("data_sync") == "Data sync"
    assert all(registry.is_guarded(name) is name.startswith("security.") for name in NAMES)


def test_page__says_how_each_is_sent() -> None:
    page = (ROOT / "docs/event-types.md").read_text("utf-8")
    ways = {"both": BOTH, "transient": TRANSIENT, "notification": DURABLE}
    rows = re.findall(r"^\| (?:`\w+`)? ?\| (`.+`) \| (both|transient|notification) \|$", page, re.M)
    assert {name: ways[way] for names, way in rows for name in re.findall(r"`(.+?)`", names)} == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_type__needs_nothing_but_the_id_of_what_it_is_about(
    catalogue: dict[str, type[EventType]], name: str
) -> None:
    event_type = catalogue[name]
    described = event_type.describe()
    Draft202012Validator(described["schema"])
    [needed] = described["schema"]["required"]
    assert needed.endswith("_id")
    assert described["label"]
    for given in (7, "seven"):
        event = event_type.from_data({needed: given})
        data = event.data()
        encode_data(data)
        assert event_type.from_data(data) == event
        assert Draft202012Validator(described["schema"], validate_formats=True).is_valid(data)
    assert list(event_type.data_errors({needed: None, "x": 1})) == [f"data.{needed}", "data.x"]


def test_catalogue__is_left_out_by_the_project_of_the_hub() -> None:
    assert not apps.is_installed("notifications.contrib.catalogue")
    config: Any = importlib.import_module("notifications.contrib.catalogue.apps").CatalogueConfig
    assert config.name == "notifications.contrib.catalogue"


@pytest.mark.django_db(transaction=True)
def test_types__are_held_to_at_the_doors(ada: User, catalogue: dict[str, Any]) -> None:
    api = producer_api()
    started = draft(ada, type="sync.accounts.started", data={"sync_id": 7})
    assert list(post(api, PUBLISH, started).problem["errors"]) == ["type"]
    failed = draft(ada, type="sync.accounts.failed", data={"sync_id": 7, "reason": "The bank is closed"})
    assert post(api, PUBLISH, failed).status == 201
    assert (Event.objects.get().category, Event.objects.get().level) == ("data_sync", "error")
    services.emit(ada, catalogue["sync.accounts.started"](sync_id=7))
    with pytest.raises(InvalidInput):
        services.emit(ada, catalogue["sync.accounts.failed"](sync_id=7))
