"""What staff do to a selection of notifications, of one recipient or of many."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import User
from django.test import Client

from notifications import services
from notifications.admin.notification_list import actions
from notifications.models import Change, Event, Inbox, Notification
from tests.helpers.factories import send
from tests.helpers.oracle import assert_converges
from tests.helpers.staff import LIST, client_of, make_staff, messages_of, row_of

pytestmark = pytest.mark.django_db(transaction=True)


def act(client: Client, action: str, ids: list[UUID], **more: Any) -> Any:
    keys = [row_of(public_id).pk for public_id in ids]
    return client.post(LIST, {"action": action, ACTION_CHECKBOX_NAME: keys, **more}, follow=True)


def test_mark_read__of_several_recipients__says_how_many_changed(
    staff: Client, ada: User, grace: User
) -> None:
    ids = [send(ada), send(ada), send(grace)]
    services.mark_read(ada, ids[:1])
    with assert_converges(ada), assert_converges(grace):
        response = act(staff, "mark_selected_read", ids)
    assert messages_of(response) == ["2 notifications were marked as read.", "1 was already read."]
    assert all(row_of(public_id).read_at for public_id in ids)
    assert set(Change.objects.filter(via="admin").values_list("by", flat=True)) == {"root"}


def test_mark_unread__says_how_many_changed(staff: Client, ada: User) -> None:
    ids = [send(ada), send(ada)]
    services.mark_all_read(ada)
    assert messages_of(act(staff, "mark_selected_unread", ids)) == ["2 notifications were marked as unread."]
    assert Inbox.objects.get(pk=ada.pk).unread_count == 2


def test_delete__asks_then_deletes_at_each_recipient_and_keeps_the_rows(
    staff: Client, ada: User, grace: User
) -> None:
    ids = [send(ada, "for ada"), send(grace, "for grace")]
    asked = act(staff, "delete_selected", ids)
    assert "for ada" in asked.content.decode()
    assert "for grace" in asked.content.decode()
    assert Change.objects.filter(kind="deleted").count() == 0
    with assert_converges(ada), assert_converges(grace):
        response = act(staff, "delete_selected", ids, post="yes")
    assert messages_of(response) == ["2 notifications were deleted."]
    assert Notification.objects.count() == 2
    assert list(Change.objects.filter(kind="deleted").values_list("reason", "by")) == [("staff", "root")] * 2


def test_selection__with_staged_and_deleted_ones__leaves_them_and_says_so(staff: Client, ada: User) -> None:
    listed, gone = send(ada), send(ada)
    services.delete(ada, [gone])
    staged = Notification.objects.create(recipient=ada, event=Event.objects.create(type="a.b", title="t"))
    response = act(staff, "mark_selected_read", [listed, gone, staged.public_id])
    assert messages_of(response)[0] == "1 notification was marked as read."
    assert messages_of(response)[1].startswith(
        "2 notifications were not changed, because they are not in their recipients’ lists"
    )


def test_selection__too_large__changes_nothing(
    staff: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "MAX_SELECTED", 1)
    ids = [send(ada), send(ada)]
    for action in ("mark_selected_read", "delete_selected"):
        response = act(staff, action, ids, post="yes", select_across="1")
        assert "nothing was changed" in messages_of(response)[0]
    assert Inbox.objects.get(pk=ada.pk).head == 2


@pytest.mark.parametrize(
    ("permission", "action"),
    [
        ("view_notification", "mark_selected_read"),
        ("view_notification", "mark_selected_unread"),
        ("change_notification", "delete_selected"),
    ],
)
def test_action__without_its_permission__changes_nothing(ada: User, permission: str, action: str) -> None:
    ids = [send(ada)]
    act(client_of(make_staff("vera", permission)), action, ids, post="yes")
    assert Inbox.objects.get(pk=ada.pk).head == 1


def test_delete__of_what_is_not_listed__is_not_asked_about(staff: Client, ada: User) -> None:
    listed, gone = send(ada, "listed"), send(ada, "gone")
    services.delete(ada, [gone])
    staged = Notification.objects.create(
        recipient=ada, event=Event.objects.create(type="a.b", title="staged")
    )
    for ids in ([gone], [gone, staged.public_id]):
        answer = act(staff, "delete_selected", ids)
        assert answer.redirect_chain, "back at the list, which says why"
        assert "not in" in messages_of(answer)[0]
    asked = act(staff, "delete_selected", [listed, gone, staged.public_id])
    page = asked.content.decode()
    assert "2 notifications were not changed, because they are not in their recipients’ lists" in page
    assert f'value="{row_of(listed).pk}"' in page
    for other in (gone, staged.public_id):
        assert f'value="{row_of(other).pk}"' not in page
