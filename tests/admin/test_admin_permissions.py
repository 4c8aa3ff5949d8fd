"""Rights in the admin: each address asks for its own, and content shows nowhere to those who may not see
it.
"""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client

from notifications import services
from notifications.models import Event, Inbox, Notification
from tests.helpers.factories import make_user, send
from tests.helpers.staff import INBOXES, LIST, REPLAYS, client_of, make_staff, page_of, row_of, shown_titles

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def secret(ada: User) -> UUID:
    """A notification all of whose content has one word in it."""
    return send(
        ada, "Zebra title", body="Zebra body", url="/zebra/", actor="zebra", topic="order:7", source="shop"
    )


@pytest.fixture
def viewer() -> Client:
    return client_of(make_staff("vera", "view_notification", "delete_notification", "change_notification"))


def test_content__without_its_permission__is_on_no_page(viewer: Client, secret: UUID) -> None:
    autocomplete = (
        "/admin/autocomplete/?app_label=notification_hub&model_name=change&field_name=notification&term="
    )
    pages = {
        "list": LIST,
        "filtered": f"{LIST}?recipient=ada",
        "one": page_of(secret),
        "asked": page_of(secret, "delete"),
        "index": "/admin/",
    }
    for name, address in pages.items():
        response = viewer.get(address)
        assert response.status_code == 200, name
        assert "zebra" not in response.content.decode().lower(), name
    asked = viewer.post(LIST, {"action": "delete_selected", "_selected_action": row_of(secret).pk})
    assert asked.status_code == 200
    assert "zebra" not in asked.content.decode().lower()
    for file_format in ("csv", "json"):
        answer = viewer.post(f"{LIST}export/", {"format": file_format})
        text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
        assert str(secret) in text
        assert "zebra" not in text.lower()
    assert str(secret) not in viewer.get(f"{autocomplete}zebra").content.decode()
    assert "content is hidden" in viewer.get(page_of(secret)).content.decode()


def test_content__without_its_permission__cannot_be_searched_for(viewer: Client, secret: UUID) -> None:
    for query in ("zebra", '"zebra"', "title zebra"):
        response = viewer.get(LIST, {"q": query})
        assert response.context["cl"].result_list == []
        assert "you may not see content" in response.content.decode()
    for query in ("ada", "order:7", str(secret), "orders.order.shipped"):
        assert len(viewer.get(LIST, {"q": query}).context["cl"].result_list) == 1


def test_content__with_its_permission__shows_and_is_found(secret: UUID) -> None:
    reader = client_of(make_staff("vera", "view_notification", "view_content"))
    assert shown_titles(reader.get(LIST, {"q": "zebra"})) == ["Zebra title"]
    page = reader.get(page_of(secret)).content.decode()
    for text in ("Zebra title", "Zebra body", "/zebra/", "order_id"):
        assert text in page


def test_view_content__alone__opens_nothing(secret: UUID) -> None:
    client = client_of(make_staff("vera", "view_content"))
    assert client.get(LIST).status_code == 403
    assert client.get(page_of(secret)).status_code == 403


def test_cursor__leads_to_what_it_stands_for_or_says_why_not(ada: User, secret: UUID) -> None:
    client = client_of(make_staff("vera", "view_notification", "view_inbox"))
    inbox = Inbox.objects.get(pk=ada.pk)

    def at(cursor: str) -> str:
        return f"{LIST}cursor/{cursor}/"

    assert client.get(at(str(inbox.cursor)))["Location"] == f"{page_of(secret)}#position-1"
    services.mark_all_read(ada)
    assert client.get(at(f"{inbox.epoch}-2"))["Location"] == f"{INBOXES}{ada.pk}/change/?from=2"
    for cursor, reason in {
        f"{inbox.epoch}-3": "is 2. The position of this cursor does not exist yet",
        f"{inbox.epoch}-0": "no longer holds this position",
        "aaaaaaaa-1": "No inbox has this epoch",
        "nonsense": "looks like abcdefgh-41",
    }.items():
        response = client.get(at(cursor))
        assert response.status_code == 404
        assert reason in response.content.decode()
    assert client_of(make_staff("zoe")).get(at(f"{inbox.epoch}-2")).status_code == 403


def test_usernames__are_offered_to_those_who_may_see_the_list(ada: User, viewer: Client) -> None:
    make_user("adam")
    address = f"{LIST}recipients/"
    assert viewer.get(address, {"term": "ad"}).json() == {"usernames": ["ada", "adam"]}
    assert viewer.get(address, {"term": ""}).json() == {"usernames": []}
    assert client_of(make_staff("zoe")).get(address, {"term": "ad"}).status_code == 403


@pytest.mark.parametrize("scheme", ["javascript:alert(1)", "=1+1"])
def test_hostile_text__in_every_field_and_name__is_text_on_every_page(scheme: str) -> None:
    evil = f"\u202e<script>alert(1)</script>{scheme}"
    user = make_user(f"{evil}{'W' * 100}")
    # As long as the columns take: no service would.
    wide = f"{evil}{'W' * 1_000_000}"
    if connection.vendor == "sqlite":
        get_user_model().objects.filter(pk=user.pk).update(username=wide)
        event = Event.objects.create(
            type="evil.e.e", topic=wide, level="info", title=wide, body=wide, url=f"{scheme}{wide}",
            actor=wide, data=f'{{"x": "{wide}"}}', source=wide,
        )  # fmt: skip
    else:
        event = Event.objects.create(
            type="evil.e.e", topic=evil, level="info", title=evil, body=wide, url=scheme, actor=evil,
            data=f'{{"x": "{wide}"}}', source=evil,
        )  # fmt: skip
    row = Notification.objects.create(recipient=user, event=event)
    send(user, evil)
    services.sequence([user.pk])
    cache.clear()  # of an earlier test's front page
    root = client_of(make_user("root", is_staff=True, is_superuser=True))
    addresses = (
        "/admin/",
        LIST,
        f"{LIST}?{urlencode({'q': evil})}",
        page_of(row.public_id),
        page_of(row.public_id, "erase"),
        INBOXES,
        f"{INBOXES}{user.pk}/change/",
        f"{INBOXES}{user.pk}/past/",
        f"{INBOXES}tail/",
        f"{REPLAYS}add/?ids={row.public_id}",
    )
    for address in addresses:
        response = root.get(address)
        assert response.status_code == 200, address
        page = response.content.decode()
        assert "<script>alert" not in page, address
        assert "&lt;script&gt;alert" in page, address
        assert f'href="{scheme}' not in page, address
        # Data of 64 KiB as UTF-8 may take three times as much as it is stored.
        assert len(page) < 3 * 65_536 + 40_000, (
            f"{address} shows no more of it than it would of one that is admitted"
        )
    names = root.get(f"{LIST}recipients/", {"term": "\u202e"})
    assert names.headers["Content-Type"] == "application/json"
    assert len(names.content) < 2_000
