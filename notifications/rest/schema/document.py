"""Builds the description: drf-spectacular walks the paths, and the table has the operations of each view.

The file beside this module is what is served, so a serving process generates nothing. ``make schema`` writes
it; a test compares it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from django.urls import include, path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.settings import patched_settings

from notifications import permissions
from notifications.rest.schema.components import SCHEMAS, SECURITY_SCHEMES
from notifications.rest.schema.examples import OF_SHAPES, of_problems
from notifications.rest.schema.operations import TAGS
from notifications.rest.schema.streams import PATHS

FILE: Final = Path(__file__).parent / "openapi.json"
_DESCRIPTION: Final = (
    "Durable notifications, read by polling or live over server-sent events. docs/protocol.md is the "
    "contract; "
    "errors are problem documents whose codes docs/errors.md lists."
)
# In the order in which the page shows them.
_TAGS: Final = {
    "reading": "The user's own inbox: the list, the changes after a cursor, and the user's actions.",
    "stream": "The same, live.",
    "publishing": f"For producers, whose user has the permission `{permissions.SEND}`.",
    "event types": "What installed apps declare: what may be sent, and how to show it.",
    "range dialect": "The inbox as KERIA and SignifyPy clients read it.",
    "about": "This description.",
}


def _example(name: str) -> dict[str, Any]:
    return {"examples": [OF_SHAPES[name]]} if name in OF_SHAPES else {}


_SETTINGS: Final[dict[str, Any]] = {
    "TITLE": "Notification hub",
    "DESCRIPTION": _DESCRIPTION,
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "APPEND_COMPONENTS": {
        "schemas": {name: SCHEMAS[name] | _example(name) for name in SCHEMAS},
        "securitySchemes": SECURITY_SCHEMES,
        "examples": of_problems(),
    },
    "TAGS": [{"name": name, "description": text} for name, text in _TAGS.items()],
    "POSTPROCESSING_HOOKS": [],
    "SCHEMA_COERCE_PATH_PK_SUFFIX": False,
}


class NotDescribed(LookupError):
    """A view or method that is missing in the table of operations."""


class TableSchema(AutoSchema):
    """Looks operations up in the table, because the views have no serializers to guess them from."""

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: Any
    ) -> dict[str, Any]:
        """Return the operation of this view.

        Raises:
            NotDescribed: the table has none.
        """
        key = (type(self.view), method.lower())
        for tag, operations in TAGS.items():
            if key in operations:
                return operations[key].as_openapi(
                    f"{key[0].__name__.removesuffix('View')}_{key[1]}".lower(), tag
                )
        raise NotDescribed(f"{method} {path} has no entry in notifications/rest/schema/operations.py")


class TableGenerator(SchemaGenerator):
    """Gives each view a schema that looks its operations up."""

    def create_view(self, callback: Any, method: str, request: Any = None) -> Any:
        """Return the view, described by the table whatever the project's settings say."""
        view = super().create_view(callback, method, request)
        self._set_schema_to_view(view, TableSchema())
        return view


def generate() -> str:
    """Return the description as JSON, as it ought to be.

    Raises:
        NotDescribed: a view is missing in the table.
    """
    patterns = [
        path("api/v1/", include("notifications.rest.urls")),
        path("", include("notifications.rest.keria")),
    ]
    with patched_settings(_SETTINGS):
        document = TableGenerator(patterns=patterns).get_schema(public=True)
    for served, operations in PATHS.items():
        document["paths"].setdefault(served, {}).update(operations)
    document["paths"] = dict(sorted(document["paths"].items()))
    return json.dumps(document, indent=1, sort_keys=False, ensure_ascii=False) + "\n"
