"""Requests made up from the OpenAPI description, good and bad: no 5xx, and no answer that the description
does not allow.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
import schemathesis
from django.contrib.auth.models import Permission, User
from django.core.wsgi import get_wsgi_application
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from notifications import services
from notifications.rest.schema.document import FILE
from tests.helpers.factories import make_token, make_user, order_event, send

pytestmark = pytest.mark.django_db(transaction=True)

EXAMPLES = 8  # for each operation and each kind of data
SEED = 20261121
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
DOCUMENT = json.loads(FILE.read_bytes())
# Streams never end; tests/streaming/test_streaming_protocol.py has them.
OPERATIONS = [
    f"{method.upper()} {path}"
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
    if "text/event-stream" not in operation["responses"].get("200", {}).get("content", {})
]
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)


@pytest.fixture
def ids() -> list[UUID]:
    return []


@pytest.fixture
def token(ids: list[UUID]) -> str:
    """Of a user who may do everything and has something of everything."""
    ada = make_user("ada")
    ada.user_permissions.add(Permission.objects.get(codename="add_notification"))
    ids += [send(ada, f"No {number}", topic="order:7") for number in range(3)]
    ids.append(send(ada, event=order_event(type_name="imports.run.finished"), level="error"))
    services.mark_read(ada, ids[:1])
    services.delete(ada, ids[1:2])
    services.mark_all_read(ada, category="imports")
    return make_token(ada, "read", "inbox", "publish").text


def fill_in(case: Any, known: UUID, cursor: str) -> None:
    """Put in what there is: made-up ids, cursors and names alone would only ever be refused."""
    case.path_parameters |= {
        name: str(known) for name in ("public_id", "note") if name in case.path_parameters
    }
    case.query |= {"after": cursor} if "after" in case.query else {}
    drafts = case.body if isinstance(case.body, list) else [case.body]
    for draft in drafts:
        if isinstance(draft, dict) and "to" in draft:
            draft |= {"to": {"users": ["ada"]}, "url": "/orders/7/"}


def hold(operation: str, mode: GenerationMode, token: str, ids: list[UUID]) -> list[int]:
    """Ask the application what the description makes up for one operation, check each answer, and return
    their statuses.
    """
    statuses: list[int] = []
    method, path = operation.split(" ")
    described = SCHEMA[path][method]
    application = get_wsgi_application()
    cursor = str(services.open_inbox(User.objects.get(username="ada").pk).cursor)

    @seeded(SEED)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=described.as_strategy(generation_mode=mode), known=st.sampled_from([*ids, None]))
    def ask(case: Any, known: UUID | None) -> None:
        if known is not None:
            fill_in(case, known, cursor)
        response = case.call(headers={"Authorization": f"Bearer {token}"}, app=application)
        case.validate_response(response, checks=CHECKS)
        statuses.append(response.status_code)

    ask()
    return statuses


@pytest.mark.parametrize("operation", OPERATIONS)
def test_answers__to_what_the_description_makes_up__are_those_it_allows(
    operation: str, token: str, ids: list[UUID]
) -> None:
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        statuses = hold(operation, mode, token, ids)
        assert len(statuses) >= EXAMPLES or set(statuses) == {
            200
        }  # few are made up where there is nothing to choose
        assert max(statuses) < 500
