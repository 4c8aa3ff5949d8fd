"""The closed list of problem codes: complete in code and documentation, one form for every error."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from notifications import exceptions
from notifications.exceptions import CursorUnusable, EventTypeError, HubError
from notifications.protocol.problems import PROBLEMS, code_of_status, problem_document, problem_headers
from notifications.rest.http import errors

DOCUMENTED = dict(
    re.findall(
        r"^\| `([a-z_]+)` \| (\d{3}) \| .+ \|$",
        (Path(__file__).resolve().parents[3] / "docs/errors.md").read_text(),
        re.MULTILINE,
    )
)


# Python's own phrases are RFC 9110's from 3.13 on.
TITLES = {413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}


def leaves(root: type[HubError]) -> Iterator[type[HubError]]:
    """Every class of error that is raised, wherever it is declared."""
    children = [child for child in root.__subclasses__() if child.__module__.startswith("notifications.")]
    yield from [leaf for child in children for leaf in leaves(child)] or [root]


def test_documentation__has_each_code_with_its_status_and_no_other() -> None:
    assert {code: str(problem.status) for code, problem in PROBLEMS.items()} == DOCUMENTED


@pytest.mark.parametrize("leaf", list(leaves(HubError)), ids=lambda leaf: leaf.__name__)
def test_error_of_the_hub__has_a_code_out_of_the_list_and_a_sentence(leaf: type[HubError]) -> None:
    assert leaf.code in PROBLEMS
    # What is asked for is refused, or cannot be done just now; neither is a fault of the hub.
    assert PROBLEMS[leaf.code].status < 500 or leaf.code == "unavailable"
    assert leaf is EventTypeError or leaf.message.endswith((".", "errors."))


@pytest.mark.parametrize("kind", list(errors.CODES), ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_error_of_others__has_a_code_out_of_the_list(kind: type[BaseException]) -> None:
    assert errors.CODES[kind] in PROBLEMS


def test_status__that_django_answered__has_a_code_of_its_kind() -> None:
    for status in range(400, 600):
        assert PROBLEMS[code_of_status(status)].status // 100 == status // 100
    for status in {problem.status for problem in PROBLEMS.values()} - {409, 410, 414, 422, 431}:
        assert PROBLEMS[code_of_status(status)].status == status


@pytest.mark.parametrize("code", PROBLEMS)
def test_document__of_each_code__is_ascii_and_has_every_member(code: str) -> None:
    document = json.loads(
        problem_document(code, "Grüße", errors={"é": "\ud800"}, cursor="aaaaaaaa-1").decode("ascii")
    )
    status = PROBLEMS[code].status
    assert document == {
        "type": "about:blank",
        "title": TITLES.get(status) or HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": "Grüße",
        "errors": {"é": "\ud800"},
        "cursor": "aaaaaaaa-1",
    }
    assert json.loads(problem_document(code))["detail"] == PROBLEMS[code].detail


@pytest.mark.parametrize("code", PROBLEMS)
def test_headers__say_what_would_help__to_wait_or_another_credential(code: str) -> None:
    headers = problem_headers(code)
    status = PROBLEMS[code].status
    assert ("Retry-After" in headers) is (status in (429, 503))
    assert ("WWW-Authenticate" in headers) is (status == 401)
    assert headers.get("Retry-After", "1").isdigit()
    assert int(headers.get("Retry-After", "1")) > 0
    assert headers.get("WWW-Authenticate", "Bearer realm=").startswith("Bearer realm=")


def test_code__that_is_not_in_the_list__cannot_be_answered() -> None:
    with pytest.raises(KeyError):
        problem_document("made_up")


def test_error__that_nobody_foresaw__has_no_code() -> None:
    assert errors.code_of(RuntimeError()) is None
    assert errors.code_of(BaseException()) is None


def test_cursor_errors__all_carry_the_head() -> None:
    kinds = [exceptions.CursorAhead, exceptions.CursorEpoch, exceptions.CursorExpired]
    assert set(leaves(CursorUnusable)) == set(kinds)
    assert [kind(head="aaaaaaaa-1").head for kind in kinds] == ["aaaaaaaa-1"] * 3
