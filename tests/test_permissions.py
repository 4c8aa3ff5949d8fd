"""Permissions: each has one name, which the models declare, and which nothing else spells for itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps

from notifications import permissions

pytestmark = pytest.mark.shape("embedded")

ROOT = Path(__file__).resolve().parents[1]
OWNER = ROOT / "notifications" / "permissions.py"


def named() -> set[str]:
    values = [value for name, value in vars(permissions).items() if name.isupper() and name != "APP_LABEL"]
    return {each for value in values for each in (value if isinstance(value, tuple) else (value,))}


def declared() -> Iterator[str]:
    for model in apps.get_app_config(permissions.APP_LABEL).get_models():
        meta = model._meta
        codenames = [f"{verb}_{meta.model_name}" for verb in meta.default_permissions]
        codenames += [codename for codename, _ in meta.permissions]
        yield from (f"{meta.app_label}.{codename}" for codename in codenames)


def test_permissions__each_that_is_asked_for__is_declared_by_a_model() -> None:
    assert len(named()) >= 10
    assert named() <= set(declared())


def test_permissions__no_module__spells_one_itself() -> None:
    codenames = "|".join(name.partition(".")[2] for name in declared())
    spelled = re.compile(rf"""["'`]{permissions.APP_LABEL}\.({codenames})["'`]""")
    modules = [
        path
        for path in (ROOT / "notifications").rglob("*.py")
        if path != OWNER and "migrations" not in path.parts
    ]
    assert [path for path in modules if spelled.search(path.read_text())] == []


def test_permissions__each_that_a_page_asks_for__is_declared() -> None:
    pages = [*(ROOT / "templates").rglob("*.html"), *(ROOT / "notifications").rglob("*.html")]
    asked = {name for page in pages for name in re.findall(r"perms\.([a-z_]+\.[a-z_]+)", page.read_text())}
    assert len(asked) >= 5
    assert asked <= set(declared())
