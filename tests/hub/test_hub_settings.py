"""The settings of the project: each wrong variable refuses to start by its name, in one sentence that shows
no secret.
"""

from __future__ import annotations

import os
import re
import runpy
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

pytestmark = pytest.mark.shape("embedded")

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = ROOT / "hub" / "settings.py"
PRODUCTION = {
    "SECRET_KEY": "k" * 60,
    "ALLOWED_HOSTS": "hub.example",
    "DATABASE_URL": "postgres://hub:secret@db:5433/hub?sslmode=require&connect_timeout=5",
    "REDIS_URL": "rediss://:secret@redis:6380/2",
}


def load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> dict[str, Any]:
    """The settings in an environment that holds nothing but `variables`."""
    return load_file(monkeypatch, SETTINGS, variables)


def load_file(monkeypatch: pytest.MonkeyPatch, settings: Path, variables: dict[str, str]) -> dict[str, Any]:
    """What a settings file says in such an environment."""
    with monkeypatch.context() as patch, warnings.catch_warnings():
        for name in list(os.environ):
            patch.delenv(name)
        for name, value in variables.items():
            patch.setenv(name, value)
        return runpy.run_path(str(settings))


WRONG = {
    "DEBUG": ["maybe", "2", "on off"],
    "ALLOWED_HOSTS": ["https://hub.example", "hub.example:8000", "hub.example/x", "a b", "user@hub"],
    "CSRF_TRUSTED_ORIGINS": [
        "hub.example",
        "https://hub.example/",
        "ftp://hub.example",
        "https://",
        "https://[::1",
        "https://Hub.example",
        "https://hub.example:443",
        "https://hub.example:x",
        "https://me@hub.example",
        "https://hub.*",
        "https://*.",
    ],
    "DATABASE_URL": [
        "foo",
        "mysql://u:secret@h/name",
        "postgres://u:secret@h",
        "postgres://u:secret@h/",
        "postgres://u:secret@h:port/name",
        "postgres://u:secret@h/name?pool=true",
        "postgres://u:secret@h/name?sslmode=require&pool=",
        "sqlite://",
        "sqlite://:memory:",
        "sqlite:////dev/null/folder/hub.sqlite3",
        "sqlite:////srv/hub#2/hub.sqlite3",
        "postgres://u:secret#1@h/name",
        "postgres://u:secret/1@h/name",
        "postgres://u:secret?1@h/name",
    ],
    "DATABASE_POOL_SIZE": ["0", "3", "many", "1000"],
    "REDIS_URL": [
        "http://:secret@redis/0",
        "redis://",
        "redis:6379",
        "redis://redis/zero",
        "redis://redis:port/0",
        "unix://",
        "redis://:secret@redis:99999",
        "redis://:secret@redis/0#1",
    ],
    "ROOT_PATH": ["hub", "//hub", "/a b", "https://h/hub"],
    "PORT": ["abc", "-1", "65536", "80.0", "\N{SUPERSCRIPT TWO}"],
    "WEB_CONCURRENCY": ["0", "two", "-2", "257", "1e1"],
    "LOG_FORMAT": ["xml", "JSON"],
    "LOG_LEVEL": ["LOUD", "7"],
    "PLAIN_HTTP": ["1", "perhaps"],
    "HUB_HEARTBEAT_SECONDS": ["4", "15.5", "abc", "301"],
    "HUB_DRAIN_SECONDS": ["nan", "inf", "0", "-1", "61"],
    "HUB_MAX_BACKLOG": ["1_000", "+5", "9" * 5_000],
    "HUB_STRICT_EVENT_TYPES": ["maybe"],
    "HUB_CORS_ORIGINS": ["*", "app.example", "https://app.example:x", "https://[::1"],
    "HUB_TRUSTED_PROXIES": ["nginx", "10.0.0.1/8"],
    "HUB_HEARTBEET_SECONDS": ["15"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_settings__a_wrong_value__refuses_by_its_name_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        load(monkeypatch, **{**PRODUCTION, name: value})
    said = str(refused.value)
    assert said.startswith(name)
    assert said.endswith(".")
    assert "\n" not in said
    assert "secret" not in said


@pytest.mark.parametrize("name", ["SECRET_KEY", "ALLOWED_HOSTS"])
@pytest.mark.parametrize("value", ["", "  "])
def test_settings__production_without_what_it_needs__refuses_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"^Set {name} to"):
        load(monkeypatch, **{**PRODUCTION, name: value})


def test_settings__production__are_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    values = load(
        monkeypatch,
        **PRODUCTION,
        SECRET_KEY_FALLBACKS="older, oldest",
        CSRF_TRUSTED_ORIGINS="https://hub.example,https://*.example,http://[::1]:8000",
        DATABASE_POOL_SIZE="12",
        LOG_LEVEL="warning",
        WEB_CONCURRENCY="4",
        HUB_DRAIN_SECONDS="2.5",
    )
    assert values["DEBUG"] is False
    assert values["SECRET_KEY_FALLBACKS"] == ["older", "oldest"]
    assert values["CSRF_TRUSTED_ORIGINS"] == [
        "https://hub.example",
        "https://*.example",
        "http://[::1]:8000",
    ]
    database = values["DATABASES"]["default"]
    assert (database["HOST"], database["PORT"], database["NAME"]) == ("db", 5433, "hub")
    assert database["OPTIONS"] == {
        "sslmode": "require",
        "connect_timeout": 5,
        "pool": {"min_size": 1, "max_size": 12, "timeout": 10},
    }
    assert values["CHANNEL_LAYERS"]["default"]["CONFIG"]["hosts"][0]["address"] == PRODUCTION["REDIS_URL"]
    assert values["LOGGING"]["root"]["level"] == "WARNING"
    assert values["NOTIFICATION_HUB"] == {"drain_seconds": 2.5}
    assert values["SECURE_SSL_REDIRECT"] is True
    assert values["SESSION_COOKIE_NAME"] == "__Host-sessionid"


def test_settings__nothing_set_but_debug__are_the_embedded_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    values = load(monkeypatch, DEBUG="true", PORT="", WEB_CONCURRENCY=" ", REDIS_URL="", DATABASE_URL="")
    assert values["DATABASES"]["default"]["ENGINE"] == "django.db.backends.sqlite3"
    assert values["DATABASES"]["default"]["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert values["CHANNEL_LAYERS"]["default"]["BACKEND"] == "channels.layers.InMemoryChannelLayer"
    assert "127.0.0.1" in values["ALLOWED_HOSTS"]


@pytest.mark.parametrize("folder", ["a#b", "a?b", "a%20b", "a+b", "a b", "ä&=;"])
def test_settings__a_checkout_in_a_folder_of_any_name__keeps_its_database_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: str
) -> None:
    checkout = tmp_path / folder
    (checkout / "hub").mkdir(parents=True)
    shutil.copy(SETTINGS, checkout / "hub")
    values = load_file(monkeypatch, checkout / "hub" / "settings.py", {"DEBUG": "1"})
    assert values["DATABASES"]["default"]["NAME"] == str(checkout / "var" / "hub.sqlite3")
    assert (checkout / "var").is_dir()


def test_settings__plain_http__on_loopback_alone__leaves_https_out(monkeypatch: pytest.MonkeyPatch) -> None:
    values = load(monkeypatch, **{**PRODUCTION, "ALLOWED_HOSTS": "127.0.0.1,localhost", "PLAIN_HTTP": "1"})
    assert "SECURE_SSL_REDIRECT" not in values
    assert "SESSION_COOKIE_SECURE" not in values
    assert values["DEBUG"] is False


def test_settings__every_variable_that_is_read__has_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    read = set(re.findall(r'os\.environ, "([A-Z_]+)"', SETTINGS.read_text())) | {"WEB_CONCURRENCY"}
    rows = re.findall(r"^\| `([A-Z_]+)` \| .+ \| .+ \|$", (ROOT / "docs" / "settings.md").read_text(), re.M)
    assert len(read) >= 12
    assert len(rows) == len(set(rows))
    assert read <= set(rows)
    assert {name for name in rows if not name.startswith("HUB_")} == read


def test_settings__the_example_of_deploy__is_complete_but_for_its_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = (ROOT / "deploy" / "environment.example").read_text().splitlines()
    example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    with pytest.raises(ImproperlyConfigured, match=r"^Set SECRET_KEY"):
        load(monkeypatch, **example)
    values = load(monkeypatch, **{**example, "SECRET_KEY": "k" * 60})
    assert values["DATABASES"]["default"]["ENGINE"] == "django.db.backends.postgresql"
    assert values["NOTIFICATION_HUB"] == {"trusted_proxies": ("127.0.0.1",)}
