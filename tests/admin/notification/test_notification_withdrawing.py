"""Withdrawing from the admin: what a producer sent, what is scheduled, one or all that a filter admits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from notifications import services
from notifications.admin.notification import withdrawing
from notifications.models import Change, Event, Notification
from tests.helpers.factories import order_event, send
from tests.helpers.oracle import assert_converges
from tests.helpers.staff import ADDRESS, LIST, client_of, make_staff, messages_of, page_of, row_of

pytestmark = pytest.mark.django_db(transaction=True)

WITHDRAW = f"{LIST}withdraw/"
RIGHTS = ("view_notification", "compose", "view_content")


@pytest.fixture
def staff() -> Client:
    return client_of(make_staff("vera", *RIGHTS))


def confirm(client: Client, address: str, reason: str = "It was wrong.", **more: Any) -> Any:
    """Send the form of the page that asks, as a browser without scripts does."""
    asked = client.get(address)
    assert asked.status_code == 200, asked
    given = {**asked.context["selection_fields"], "until": asked.context["until"], "reason": reason, **more}
    return client.post(WITHDRAW, given, follow=True)


def later() -> Any:
    return timezone.now() + timedelta(days=1)


def test_withdraw__one_that_a_producer_sent__goes_from_everybody_with_who_did_it_and_why(
    staff: Client, ada: User, grace: User
) -> None:
    first, _second = services.notify_many([ada, grace], order_event(), title="Wrong price", source="shop")
    link = f"{WITHDRAW}?ids={first}"
    assert link in staff.get(page_of(first)).content.decode()
    asked = staff.get(link).content.decode()
    for text in ("1 event, 2 notifications", "Wrong price", "withdrawn from them, too: 1"):
        assert text in asked
    assert Change.objects.filter(kind="deleted").count() == 0, "looking withdraws nothing"
    with assert_converges(ada), assert_converges(grace):
        done = confirm(staff, link)
    assert messages_of(done) == ["It was withdrawn. 2 notifications are being removed."]
    assert set(Change.objects.filter(kind="deleted").values_list("reason", "by", "via", "address")) == {
        ("withdrawn", "vera", "admin", ADDRESS)
    }
    entry = LogEntry.objects.get()
    assert (str(entry.user), entry.object_repr) == ("vera", str(first))
    assert entry.get_change_message() == "Withdrawn: It was wrong."
    page = staff.get(page_of(first)).content.decode()
    assert link not in page
    assert "Withdrawn by its producer" not in page


def test_withdraw__scheduled_one__is_never_delivered(staff: Client, ada: User) -> None:
    public_id = send(ada, "Too early", deliver_at=later())
    asked = staff.get(f"{WITHDRAW}?ids={public_id}").content.decode()
    assert "nobody will ever see them: 1 notification" not in asked
    assert "nobody will ever see them: 1" in asked
    done = confirm(staff, f"{WITHDRAW}?ids={public_id}")
    assert done.redirect_chain[-1][0] == LIST, "its page is no more"
    assert not Notification.objects.filter(public_id=public_id).exists()
    assert Event.objects.get().withdrawn_by == "vera"
    assert LogEntry.objects.get().object_repr == str(public_id)


def test_withdraw__by_a_filter__takes_what_it_admitted_when_the_page_was_shown(
    staff: Client, ada: User
) -> None:
    for number in range(3):
        send(ada, f"order {number}", topic="order:7")
    other = send(ada, "another", topic="order:8")
    page = staff.get(LIST, {"topic": "order:7"}).content.decode()
    assert f"{WITHDRAW}?topic=order%3A7" in page
    asked = staff.get(WITHDRAW, {"topic": "order:7"})
    newer = send(ada, "sent meanwhile", topic="order:7")
    given = {"topic": "order:7", "until": asked.context["until"]}
    unsure = staff.post(WITHDRAW, {**given, "reason": " "})
    assert "Nothing was withdrawn" in unsure.content.decode()
    assert Change.objects.filter(kind="deleted").count() == 0
    staff.post(WITHDRAW, {**given, "reason": "Sold out."})
    gone = set(Change.objects.filter(kind="deleted").values_list("notification__event__topic", flat=True))
    assert gone == {"order:7"}
    assert row_of(other).is_listed
    assert row_of(newer).is_listed
    text = LogEntry.objects.get().get_change_message()
    assert text == "Withdrawn by a filter (topic=order:7): 3 events, 3 notifications. Sold out."


def test_withdraw__more_than_at_once__takes_the_newest_and_says_that_there_is_more(
    staff: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(withdrawing, "MAX_EVENTS", 2)
    ids = [send(ada, f"order {number}", topic="order:7") for number in range(3)]
    done = confirm(staff, f"{WITHDRAW}?topic=order%3A7")
    assert "Repeat this" in messages_of(done)[1]
    assert [row_of(public_id).is_listed for public_id in ids] == [True, False, False]
    confirm(staff, f"{WITHDRAW}?topic=order%3A7")
    assert not row_of(ids[0]).is_listed


def test_withdraw__selection_of_the_list__leads_to_the_page_that_asks(staff: Client, ada: User) -> None:
    ids = [send(ada), send(ada)]
    chosen = {"action": "withdraw_selected", "_selected_action": [row_of(public_id).pk for public_id in ids]}
    answer = staff.post(LIST, chosen)
    assert answer.status_code == 302
    assert messages_of(confirm(staff, answer["Location"])) == [
        "It was withdrawn. 2 notifications are being removed."
    ]
    assert LogEntry.objects.count() == 2


@pytest.mark.parametrize(
    "query", ["", "?ids=x", "?sent_from=gestern&recipient=ada", "?recipeint=ada&level=info"]
)
def test_withdraw__of_what_is_no_selection__asks_nothing_and_says_why(
    staff: Client, ada: User, query: str
) -> None:
    public_id = send(ada)
    answer = staff.get(WITHDRAW + query, follow=True)
    assert "Nothing was withdrawn" in " ".join(messages_of(answer))
    given = {"sent_from": "gestern", "recipient": "ada", "until": row_of(public_id).pk, "reason": "x"}
    answer = staff.post(WITHDRAW, given, follow=True)
    assert "Nothing was withdrawn" in " ".join(messages_of(answer))
    assert row_of(public_id).is_listed


def test_withdraw__what_is_gone_already__is_not_asked_about(staff: Client, ada: User) -> None:
    public_id = send(ada)
    services.withdraw([public_id])
    assert WITHDRAW not in staff.get(page_of(public_id)).content.decode()
    answer = staff.get(f"{WITHDRAW}?ids={public_id}", follow=True)
    assert messages_of(answer) == ["Nothing is left to withdraw."]
    assert answer.redirect_chain[-1][0] == page_of(public_id)


@pytest.mark.parametrize("missing", ["view_notification", "compose"])
def test_withdraw__without_a_right_that_it_needs__is_refused(ada: User, missing: str) -> None:
    public_id = send(ada)
    clerk = client_of(make_staff("max", *(name for name in RIGHTS if name != missing)))
    given = {"ids": str(public_id), "until": row_of(public_id).pk, "reason": "x"}
    assert clerk.get(f"{WITHDRAW}?ids={public_id}").status_code == 403
    assert clerk.post(WITHDRAW, given).status_code == 403
    assert row_of(public_id).is_listed
    if missing == "compose":
        assert WITHDRAW not in clerk.get(page_of(public_id)).content.decode()


def test_withdraw__without_the_right_to_content__shows_none(ada: User) -> None:
    public_id = send(ada, "Zebra title")
    clerk = client_of(make_staff("max", "view_notification", "compose"))
    asked = clerk.get(f"{WITHDRAW}?ids={public_id}").content.decode()
    assert "orders.order.shipped" in asked
    assert "Zebra" not in asked


def test_erase__for_all_recipients__says_in_the_log_who_did_it(ada: User, grace: User) -> None:
    first, _second = services.notify_many([ada, grace], order_event(), title="secret", source="shop")
    eraser = client_of(make_staff("vera", "view_notification", "erase"))
    eraser.post(page_of(first, "erase"), {"scope": "event", "reason": "asked for"})
    assert set(Change.objects.filter(kind="deleted").values_list("reason", "by", "via")) == {
        ("erased", "vera", "admin")
    }
