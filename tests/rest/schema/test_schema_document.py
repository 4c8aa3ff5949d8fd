"""The OpenAPI description: it is the one that the code gives, whole, valid, and served for programs and
people.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import get_resolver
from jsonschema_rs import Draft202012Validator

from notifications import services, streaming
from notifications.protocol.problems import PROBLEMS
from notifications.rest.schema import streams
from notifications.rest.schema.document import FILE, generate
from notifications.serving.routing import EVENTS_PATH, SIGNALS_PATH, STREAM_PATH
from tests.helpers.api import Api
from tests.helpers.factories import make_token, make_user, send

SCHEMA = "/api/v1/schema"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    described: dict[str, Any] = json.loads(FILE.read_bytes())
    return described


def test_committed_schema__is_what_the_code_gives() -> None:
    assert FILE.read_text() == generate(), "run `make schema`"


def test_schema__is_openapi(document: dict[str, Any]) -> None:
    from drf_spectacular.validation import validate_schema

    validate_schema(document)
    assert document["openapi"].startswith("3.")


def test_schema__names_every_path_of_the_api_and_no_other(document: dict[str, Any]) -> None:
    routes = {
        "/" + re.sub(r"<\w+:(\w+)>", r"{\1}", route)
        for route in routes_of(get_resolver())
        if route.startswith(("api/v1/", "notifications"))
    }
    assert set(document["paths"]) == routes | {
        f"/{path}" for path in (STREAM_PATH, EVENTS_PATH, SIGNALS_PATH)
    }


def routes_of(resolver: Any, prefix: str = "") -> list[str]:
    routes: list[str] = []
    for pattern in resolver.url_patterns:
        route = prefix + str(pattern.pattern)
        routes += routes_of(pattern, route) if hasattr(pattern, "url_patterns") else [route]
    return routes


def test_schema__names_each_problem_code_and_gives_it_the_status_it_has(document: dict[str, Any]) -> None:
    assert document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"] == sorted(PROBLEMS)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                content = answer.get("content", {})
                if int(status) < 400:
                    assert "application/problem+json" not in content
                    continue
                [schema] = [media["schema"] for media in content.values()]
                codes = schema["allOf"][1]["properties"]["code"]["enum"]
                assert {PROBLEMS[code].status for code in codes} == {int(status)}, path


def test_schema__of_the_stream__names_each_code_that_the_stream_refuses_with() -> None:
    sources = (
        Path(streaming.__file__).parent / f"{name}.py"
        for name in ("guard", "endpoint", "credentials", "presence")
    )
    code = "".join(source.read_text() for source in sources if source.exists())
    refused = set(re.findall(r'Refusal\(\s*"(\w+)"', code)) - {"method_not_allowed"}
    assert refused <= set(streams.PROBLEMS)


def test_examples__are_what_their_shapes_say(document: dict[str, Any]) -> None:
    components = document["components"]

    def check(schema: dict[str, Any], value: Any) -> None:
        if "$ref" in value:
            value = components["examples"][value["$ref"].rpartition("/")[2]]
        Draft202012Validator(schema | {"components": components}).validate(value["value"])

    for operations in document["paths"].values():
        for operation in operations.values():
            for carrier in (operation.get("requestBody", {}), *operation["responses"].values()):
                for media in carrier.get("content", {}).values():
                    for example in media.get("examples", {}).values():
                        check(media["schema"], example)
    for schema in components["schemas"].values():
        for example in schema.get("examples", ()):
            check(schema, {"value": example})


@pytest.mark.django_db(transaction=True)
def test_examples__sent_as_they_stand__are_taken(document: dict[str, Any]) -> None:
    ada = make_user("ada")
    ada.user_permissions.add(Permission.objects.get(codename="add_notification"))
    api = Api(token=make_token(ada, "read", "inbox", "publish").text)
    known, taken = str(send(ada)), 0
    cursor = str(services.open_inbox(ada.pk).cursor)
    shown = document["components"]["schemas"]["Cursor"]["examples"][0]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for media in operation.get("requestBody", {}).get("content", {}).values():
                for example in media.get("examples", {}).values():
                    body = json.dumps(example["value"]).replace(shown, cursor).encode()
                    answer = api.ask(method.upper(), path.replace("{public_id}", known), body=body)
                    assert answer.status < 300, (path, answer.body)
                    assert str(answer.status) in operation["responses"]
                    taken += 1
    assert taken >= 10


def test_schema__for_nobody__comes_as_json_or_yaml() -> None:
    api = Api()
    as_json, as_yaml = api.get(SCHEMA), api.get(f"{SCHEMA}?format=yaml")
    assert as_json.headers["Content-Type"] == "application/vnd.oai.openapi+json"
    assert as_yaml.headers["Content-Type"] == "application/vnd.oai.openapi"
    assert json.loads(as_json.body) == yaml.safe_load(as_yaml.body) == json.loads(FILE.read_bytes())
    assert api.get(f"{SCHEMA}?format=xml").code == "invalid"


def test_docs__for_nobody__load_nothing_from_elsewhere() -> None:
    page = Client().get("/api/docs/")
    assert page.status_code == 200
    text = page.content.decode()
    assert "<style" not in text
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=", text)
    assert all(url.startswith("/") for url in re.findall(r'(?:src|href|data-schema)="([^"]*)"', text))
    assert "unsafe" not in page.headers["Content-Security-Policy"]
