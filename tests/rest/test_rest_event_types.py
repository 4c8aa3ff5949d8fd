"""What may be sent, as the interface describes it: to any authenticated caller, and exactly as the gate has
it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation
from django.utils.functional import lazy
from jsonschema_rs import Draft202012Validator

from notifications.event_types import EventType, registry
from notifications.rest.schema.components import SCHEMAS
from tests.helpers.api import PUBLISH, Api, draft, post, producer_api
from tests.helpers.factories import make_token

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.shape("embedded")]

TYPES = "/api/v1/event-types"
NAME = "unit.parcel.sent"
FIELDS = {
    "name", "category", "category_label", "level", "label", "icon", "durable", "transient", "schema"
}  # fmt: skip


def label() -> str:
    return {"de": "Verschickt"}.get(translation.get_language(), "Sent")


@pytest.fixture(autouse=True)
def parcel() -> Iterator[type[EventType]]:
    class ParcelSent(
        EventType, name=NAME, category="unit_shipping", level="success", label=lazy(label, str)(),
        icon="inbox", transient=False, secret=("code",),
    ):  # fmt: skip
        number: int
        carrier: Literal["", "road"] = ""
        code: str | None = None
        due: datetime | None = None

    yield ParcelSent
    registry.remove(ParcelSent)


def test_types__are_described_by_name__to_any_authenticated_caller(ada: User) -> None:
    callers = [Api(ada)] + [Api(token=make_token(ada, scope).text) for scope in ("read", "inbox", "publish")]
    validator = Draft202012Validator(SCHEMAS["EventType"])
    for api in callers:
        answer = api.get(TYPES)
        assert answer.status == 200
        names = [item["name"] for item in answer.json]
        assert names == sorted(names)
        assert {NAME, "security.session.new"} <= set(names)
        for item in answer.json:
            assert item.keys() == FIELDS
            validator.validate(item)
            Draft202012Validator(item["schema"])


def test_types__to_nobody__401() -> None:
    assert Api().get(TYPES).code == Api().get(f"{TYPES}/{NAME}").code == "not_authenticated"


def test_type__one_by_its_name__is_what_the_list_has(ada: User) -> None:
    [listed] = [item for item in Api(ada).get(TYPES).json if item["name"] == NAME]
    assert Api(ada).get(f"{TYPES}/{NAME}").json == listed
    assert listed == {
        "name": NAME,
        "category": "unit_shipping",
        "category_label": "Unit shipping",
        "level": "success",
        "label": "Sent",
        "icon": "inbox",
        "durable": True,
        "transient": False,
        "schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "number": {"type": "integer"},
                "carrier": {"enum": ["", "road"], "default": ""},
                "code": {"type": ["string", "null"], "default": None, "writeOnly": True},
                "due": {
                    "anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}],
                    "default": None,
                },
            },
            "required": ["number"],
            "additionalProperties": False,
        },
    }
    for name in ("unit.parcel.lost", "unit", "unit.parcel.sent.x", "%00", "unit/parcel"):
        assert Api(ada).get(f"{TYPES}/{name}").status in {404, 400}


def test_schema__says_what_the_door_takes(ada: User) -> None:
    api = producer_api()
    schema = api.get(f"{TYPES}/{NAME}").json["schema"]
    validator = Draft202012Validator(schema, validate_formats=True)
    cases: list[dict[str, Any]] = [
        {"number": 7}, {"number": 7, "due": "2026-11-21T02:03:04Z", "carrier": "road"},
        {}, {"number": "7"}, {"number": 7, "carrier": "sea"}, {"number": 7, "due": "soon"},
        {"number": 7, "x": 1}, {"number": 7, "code": 1},
    ]  # fmt: skip
    for data in cases:
        answer = post(api, PUBLISH, draft(ada, type=NAME, data=data))
        assert (answer.status == 201) is validator.is_valid(data), data


@pytest.mark.parametrize("path", [TYPES, f"{TYPES}/{NAME}"])
def test_etag__answers_304_until_a_declaration_changes(ada: User, parcel: type[EventType], path: str) -> None:
    api = Api(ada)
    first = api.get(path)
    etag = first.headers["ETag"]
    for given in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        again = api.get(path, If_None_Match=given)
        assert (again.status, again.body, again.headers["ETag"]) == (304, b"", etag)
    assert api.get(path, If_None_Match='"x"').body == first.body
    parcel.type_icon = "bell"
    changed = api.get(path, If_None_Match=etag)
    assert changed.status == 200
    assert changed.headers["ETag"] != etag


def test_labels__are_in_the_active_language__and_so_is_the_etag(ada: User) -> None:
    api = Api(ada)
    english = api.get(f"{TYPES}/{NAME}")
    with translation.override("de"):
        german = api.get(f"{TYPES}/{NAME}", If_None_Match=english.headers["ETag"])
    assert (english.json["label"], german.json["label"]) == ("Sent", "Verschickt")


def test_types__ask_the_database_for_nothing_but_the_caller(ada: User) -> None:
    api = Api(token=make_token(ada, "read").text)
    with CaptureQueriesContext(connection) as captured:
        assert api.get(TYPES).status == 200
    assert len(captured) == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_types__cannot_be_changed(ada: User, method: str) -> None:
    assert Api(ada).send(method, TYPES, {}).status == 405
