"""The admin's forms in a browser that runs no scripts: users are chosen by typing their names."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from notifications import selectors
from notifications.admin.jobs import job_admin
from notifications.models import ApiToken, Replay
from tests.helpers.factories import make_user, send
from tests.helpers.staff import BROADCASTS, REPLAYS, TOKENS, client_of
from tests.helpers.waiting import PATIENCE_SECONDS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.shape("embedded")]


class Form(HTMLParser):
    """The form of a page that is sent by POST and has a certain field, as a browser without scripts has it.

    Attributes:
        values: what is sent of the fields as they are; a list where a name has several.
    """

    def __init__(self, page: str, field: str) -> None:
        super().__init__()
        self.values: dict[str, list[str]] = {}
        self._field = field
        self._is_found = self._is_in_form = False
        self._text_of = self._select = ""
        self.feed(page)
        assert field in self.values, f"there is no field {field}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        match tag:
            case "form" if not self._is_found:
                self.values, self._is_in_form = {}, True
            case "input" if self._is_in_form and name:
                is_choice = given.get("type") in ("radio", "checkbox")
                if given.get("type") != "submit" and (not is_choice or "checked" in given):
                    self.values.setdefault(name, []).append(given.get("value", ""))
            case "textarea" if self._is_in_form and name:
                self._text_of = name
                self.values.setdefault(name, []).append("")
            case "select":
                self._select = name if self._is_in_form else ""
            case "option" if self._select and "selected" in given:
                self.values.setdefault(self._select, []).append(given.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self._is_in_form:
            self._is_in_form, self._is_found = False, self._field in self.values
        if tag == "textarea":
            self._text_of = ""

    def handle_data(self, data: str) -> None:
        if self._text_of:
            self.values[self._text_of][-1] += data.removeprefix("\n")


def filled(response: Any, field: str, **values: Any) -> dict[str, Any]:
    """What a browser sends of the form that has a field, once somebody has filled in some of it."""
    return {**Form(response.content.decode(), field).values, **values}


@pytest.fixture
def staff(monkeypatch: pytest.MonkeyPatch) -> Client:
    """One who may look users up, and is offered to."""
    monkeypatch.setattr(job_admin, "INLINE_SECONDS", PATIENCE_SECONDS)
    return client_of(make_user("root", is_staff=True, is_superuser=True))


def test_compose__without_scripts__takes_typed_names_through_every_page(
    staff: Client, ada: User, grace: User
) -> None:
    add = f"{BROADCASTS}add/"
    text = {"type": "news.maintenance.planned", "title": "Maintenance", "step": "preview"}
    empty = staff.get(add)
    wrong = staff.post(add, filled(empty, "users_typed", users_typed="ada, nobody", **text))
    assert "There is no user called nobody." in wrong.content.decode()
    assert Form(wrong.content.decode(), "users_typed").values["users_typed"] == ["ada, nobody"], "kept"
    asked = staff.post(add, filled(wrong, "users_typed", users_typed="ada\ngrace", **text))
    assert "Send it to 2 users?" in asked.content.decode()
    staff.post(add, filled(asked, "users_typed", step="send"))
    for user in (ada, grace):
        assert [row.title for row in selectors.list_page(user.pk).rows] == ["Maintenance"]


def test_replay__without_scripts__copies_to_typed_names(staff: Client, ada: User, grace: User) -> None:
    add = f"{REPLAYS}add/?ids={send(ada, 'for ada')}"
    given = {"verb": "copy", "reason": "She asks.", "copy_to_typed": "grace", "step": "preview"}
    asked = staff.post(add, filled(staff.get(add), "copy_to_typed", **given))
    staff.post(add, filled(asked, "copy_to_typed", step="send"))
    assert Replay.objects.get().copy_to == [str(grace.pk)]


def test_token__without_scripts__is_made_for_a_typed_name(staff: Client, ada: User) -> None:
    add = f"{TOKENS}add/"
    given = {"name": "ci", "scopes": ["read"]}
    empty = staff.get(add)
    for typed, error in (("", "This field is required."), ("nobody", "There is no user called “nobody”.")):
        answer = staff.post(add, filled(empty, "user_typed", user_typed=typed, **given))
        assert error in answer.content.decode()
    staff.post(add, filled(empty, "user_typed", user_typed="ada", **given))
    assert ApiToken.objects.get().user == ada


def test_users__chosen_and_typed__are_each_named_once(staff: Client, ada: User, grace: User) -> None:
    add = f"{BROADCASTS}add/"
    given = {"type": "news.maintenance.planned", "title": "t", "step": "preview"}
    both = filled(staff.get(add), "users_typed", users=[ada.pk], users_typed="grace, ada", **given)
    assert "Send it to 2 users?" in staff.post(add, both).content.decode()
    add = f"{TOKENS}add/"
    token = {"name": "ci", "scopes": ["read"], "user": ada.pk, "user_typed": "grace"}
    assert (
        "These are two different users"
        in staff.post(add, filled(staff.get(add), "user_typed", **token)).content.decode()
    )
