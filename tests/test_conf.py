"""Settings: what is absurd refuses to start, by its name."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from notifications.conf import HubConfig, hub_config, values_from_environ

pytestmark = pytest.mark.shape("embedded")

OPTIONS = fields(HubConfig)
# The contract of runs gives these names.
NAMED_BY_CONTRACT = {"run_log_events", "run_log_bytes"}
NUMBERS = [item for item in OPTIONS if type(item.default) in (int, float)]


@pytest.mark.parametrize("item", OPTIONS, ids=lambda item: item.name)
def test_each_setting__says_why_and_has_a_default_within_its_bounds(item: Any) -> None:
    assert len(item.metadata["why"]) > 20
    HubConfig(**{item.name: item.default})


@pytest.mark.parametrize("item", NUMBERS, ids=lambda item: item.name)
def test_each_number__names_its_unit_or_that_it_is_a_limit(item: Any) -> None:
    has_unit = item.name.endswith(("_seconds", "_milliseconds", "_days"))
    assert has_unit or item.name.startswith("max_") or item.name in NAMED_BY_CONTRACT


@pytest.mark.parametrize("item", NUMBERS, ids=lambda item: item.name)
def test_each_number__just_out_of_bounds__is_refused_by_its_name(item: Any) -> None:
    low, high = item.metadata["minimum"], item.metadata["maximum"]
    kind = type(item.default)
    assert HubConfig.from_mapping({item.name: kind(low)}) != HubConfig.from_mapping({item.name: kind(high)})
    for value in (low - kind(1), high + kind(1)):
        with pytest.raises(ImproperlyConfigured, match=item.name):
            HubConfig.from_mapping({item.name: kind(value)})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("heartbeat_seconds", "15"),
        ("heartbeat_seconds", 15.0),
        ("heartbeat_seconds", True),
        ("heartbeat_seconds", None),
        ("sweep_seconds", "2"),
        ("sweep_seconds", True),
        ("sweep_seconds", float("nan")),
        ("sweep_seconds", float("inf")),
        ("strict_event_types", 1),
        ("cors_origins", "https://a.example"),
        ("cors_origins", ["https://a.example"]),
    ],
)
def test_value_of_the_wrong_type__is_refused_by_its_name(name: str, value: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match=name):
        HubConfig.from_mapping({name: value})


def test_whole_number_for_seconds__is_taken() -> None:
    assert HubConfig.from_mapping({"sweep_seconds": 3}).sweep_seconds == 3


def test_unknown_name__is_refused_by_its_name() -> None:
    with pytest.raises(ImproperlyConfigured, match="heart_beat"):
        HubConfig.from_mapping({"heart_beat": 15})


def test_settings__cannot_be_changed_in_place() -> None:
    with pytest.raises(FrozenInstanceError):
        hub_config().heartbeat_seconds = 1  # type: ignore[misc]


def test_hub_config__follows_djangos_settings() -> None:
    with override_settings(NOTIFICATION_HUB={"max_sequence_chunk": 7}):
        assert hub_config().max_sequence_chunk == 7
    assert hub_config().max_sequence_chunk != 7


def test_environment__is_read_by_the_type_of_each_setting() -> None:
    environ = {
        "HUB_HEARTBEAT_SECONDS": "20",
        "HUB_SWEEP_SECONDS": "0.5",
        "HUB_STRICT_EVENT_TYPES": "True",
        "HUB_CORS_ORIGINS": "https://a.example, https://b.example,",
        "HUB_DRAIN_SECONDS": "",
        "HUB_RANGE_DIALECT": " ",
        "PATH": "/bin",
    }
    assert values_from_environ(environ) == {
        "heartbeat_seconds": 20,
        "sweep_seconds": 0.5,
        "strict_event_types": True,
        "cors_origins": ("https://a.example", "https://b.example"),
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HUB_HEARTBEAT_SECONDS", "15s"),
        ("HUB_HEARTBEAT_SECONDS", "1.5"),
        ("HUB_HEARTBEAT_SECONDS", "0"),
        ("HUB_SWEEP_SECONDS", "nan"),
        ("HUB_SWEEP_SECONDS", "inf"),
        ("HUB_STRICT_EVENT_TYPES", "maybe"),
        ("HUB_HEARTBEET_SECONDS", "15"),
        ("HUB_HEARTBEET_SECONDS", ""),
        ("HUB_CORS_ORIGINS", "*"),
        ("HUB_CORS_ORIGINS", "app.example"),
        ("HUB_CORS_ORIGINS", "https://*.app.example"),
        ("HUB_CORS_ORIGINS", "https://app.example/"),
        ("HUB_CORS_ORIGINS", "https://App.example"),
        ("HUB_CORS_ORIGINS", "https://app.example:443"),
        ("HUB_CORS_ORIGINS", "https://app.example:x"),
        ("HUB_CORS_ORIGINS", "https://a@app.example"),
        ("HUB_CORS_ORIGINS", "https://app.example,null"),
        ("HUB_CORS_ORIGINS", "ftp://app.example"),
        ("HUB_", "1"),
    ],
)
def test_environment__absurd_value_or_unknown_name__is_refused_by_its_name(name: str, value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"(?i){name.removeprefix('HUB_')}"):
        values_from_environ({name: value})
