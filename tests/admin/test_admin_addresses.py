"""Addresses of the admin's lists: what cannot be read is said, and the rest holds; what takes a whole list is
refused instead.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.test import Client

from notifications.admin.inbox.inbox_admin import InboxAdmin
from notifications.models import Change, Replay
from tests.helpers.factories import make_user, send
from tests.helpers.staff import (
    BROADCASTS,
    INBOXES,
    LIST,
    REPLAYS,
    STREAMS,
    TOKENS,
    messages_of,
    row_of,
    shown_titles,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.shape("embedded")]

SIGN_INS = "/admin/notification_hub_security/signin/"
WRONG = {
    "sent_from": "gestern",
    "sent_to": "2026-13-45",
    "state": "odd",
    "sent": "century",
    "level": "loud",
    "category": "Not a category",
    "type": "..",
    "event": "x",
    "q": "x " * 500,
}


@pytest.mark.parametrize("name", WRONG)
def test_list__with_a_bad_value__says_so_and_holds_to_the_other_filters(
    staff: Client, ada: User, grace: User, name: str
) -> None:
    send(ada, "for ada")
    send(grace, "for grace")
    page = staff.get(LIST, {name: WRONG[name], "recipient": "grace"})
    assert shown_titles(page) == ["for grace"]
    [said] = messages_of(page)
    assert said.endswith("The list is shown without this filter; all others apply.")
    if name.startswith("sent_"):
        assert f"“{WRONG[name]}” is not a time" in said
        assert f'id="hub-filter-{name.removeprefix("sent_")}-error"' in page.content.decode()
    assert "Replay all of these" not in page.content.decode()
    assert "Withdraw all of these" not in page.content.decode()


def test_list__with_a_bad_place__shows_the_newest_page_of_what_is_filtered(
    staff: Client, ada: User, grace: User
) -> None:
    send(ada, "for ada")
    send(grace, "for grace")
    page = staff.get(LIST, {"before": "x", "recipient": "grace"})
    assert shown_titles(page) == ["for grace"]
    assert messages_of(page) == ["There is no such page. The newest page is shown instead."]


@pytest.mark.parametrize("name", WRONG)
def test_export_and_replay__of_a_filter_with_a_bad_value__are_refused(
    staff: Client, ada: User, grace: User, name: str
) -> None:
    send(ada, "for ada")
    bad = {name: WRONG[name], "recipient": "grace"}
    query = urlencode(bad)
    assert staff.post(f"{LIST}export/?{query}", {"format": "csv"}).status_code == 400
    answer = staff.get(f"{REPLAYS}add/?{query}", follow=True)
    assert "Nothing was replayed." in messages_of(answer)[0]
    assert "recipient=grace" in answer.redirect_chain[-1][0], "back at the list with what holds"
    given = {**bad, "verb": "show", "reason": "x", "step": "send"}
    assert "Nothing was replayed." in messages_of(staff.post(f"{REPLAYS}add/", given, follow=True))[0]
    assert not Replay.objects.exists()


def test_replay__of_an_address_with_a_misspelt_filter__is_refused(staff: Client, ada: User) -> None:
    send(ada, "for ada")
    answer = staff.get(f"{REPLAYS}add/", {"recipeint": "grace", "level": "info"}, follow=True)
    assert messages_of(answer) == ["The list has no filter “recipeint”. Nothing was replayed."]


def test_action__on_all_pages_of_a_list_with_a_bad_value__changes_nothing(staff: Client, ada: User) -> None:
    public_id = send(ada, "for ada")
    chosen: dict[str, Any] = {"action": "mark_selected_read", "_selected_action": row_of(public_id).pk}
    staff.post(f"{LIST}?sent_from=gestern", {**chosen, "select_across": "1"})
    assert not Change.objects.filter(kind="read").exists()
    staff.post(f"{LIST}?sent_from=gestern", chosen)
    assert Change.objects.filter(kind="read").exists(), "what was seen and chosen is done"


@pytest.mark.parametrize(
    ("address", "name", "value"),
    [
        (INBOXES, "unread", "odd"),
        (STREAMS, "state", "odd"),
        (TOKENS, "state", "odd"),
        (BROADCASTS, "state", "odd"),
        (REPLAYS, "state", "odd"),
        (SIGN_INS, "at__gte", "gestern"),
        (SIGN_INS, "at__year", "gestern"),
        (SIGN_INS, "ended_at__isempty", "odd"),
        (SIGN_INS, "ended_reason__exact", "odd"),
    ],
)
def test_other_lists__with_a_bad_value__say_so_and_hold_to_the_search(
    staff: Client, address: str, name: str, value: str
) -> None:
    page = staff.get(address, {name: value, "q": "nobody at all"})
    assert page.status_code == 200, "not sent to the whole list"
    assert any(value in text for text in messages_of(page))
    assert page.context["cl"].query == "nobody at all"
    assert page.context["cl"].result_count == 0


def test_other_lists__with_a_page_that_is_none__show_the_first_of_what_is_filtered(
    staff: Client, ada: User, grace: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(InboxAdmin, "list_per_page", 1)
    send(ada)
    send(grace)
    send(make_user("zoe"))
    page = staff.get(INBOXES, {"p": "99", "unread": "some"})
    assert messages_of(page) == ["There is no page 99. The first page is shown instead."]
    assert page.context["cl"].has_active_filters
    assert [row.user.username for row in page.context["cl"].result_list] == ["ada"]
