"""Where the admin reads: below the services, in ``selectors``, and nowhere in itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import notifications.admin

ROOT = Path(notifications.admin.__file__).parent
# Ways past Django's ``ModelAdmin``, which reads its own model's rows by ``super().get_queryset()``.
MANAGERS = frozenset(["objects", "_default_manager", "_base_manager", "raw"])
REQUESTS = frozenset(["HttpRequest", "WSGIRequest", "ASGIRequest", "QueryDict", "RequestFactory"])
EXEMPT = {
    # The history that Django's admin keeps is the admin's own, and no model of the hub's.
    ("history.py", "LogEntry.objects"),
    ("history.py", "ContentType.objects"),
}


def reads_in(tree: ast.AST) -> Iterator[str]:
    """What a module reads by itself, or fabricates to have it read."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=owner, attr=name) if name in MANAGERS:
                yield f"{ast.unparse(owner)}.{name}"
            case ast.Call(func=ast.Name(id=name)) if name in REQUESTS:
                yield f"{name}()"
            case ast.ImportFrom(module="django.db", names=names):
                yield from (f"django.db.{name.name}" for name in names if name.name.startswith("connection"))


def test_reads_in__what_the_admin_once_did__finds_it() -> None:
    code = """
from django.db import connection
def f():
    request = HttpRequest()
    return Event.objects.filter(), get_user_model()._default_manager.all()
"""
    assert set(reads_in(ast.parse(code))) == {
        "django.db.connection",
        "HttpRequest()",
        "Event.objects",
        "get_user_model()._default_manager",
    }


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_admin_module__reads_through_selectors_and_makes_no_request(path: Path) -> None:
    found = {(str(path.relative_to(ROOT)), read) for read in reads_in(ast.parse(path.read_text()))}
    assert found <= EXEMPT
    if path.name == "history.py":
        assert found == EXEMPT, "what is no longer read is no longer exempt"
