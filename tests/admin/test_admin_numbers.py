"""Numbers on pages of a site that writes 1,263 for 1263: in addresses and data they stay as programs read
them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import resolve

from notifications import services
from notifications.models import Inbox, StreamSession, Worker
from notifications.services import Recipients
from tests.helpers.factories import make_user, order_event, send
from tests.helpers.staff import client_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.shape("embedded")]

FIRST = 1_262  # what was there before, so that every key and position has a group of thousands
SENT = 60  # more than a page of the log
OF_A_KIND = 2  # pages that are looked at of each kind
MAX_PAGES = 120
READ_BY_PEOPLE = {"title", "alt", "placeholder", "aria-label", "content"}
GROUPED = re.compile(r"\d,\d{3}(?!\d)")


class Attributes(HTMLParser):
    """What programs read of a page: its links, and every attribute but those that are text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.read: list[tuple[str, str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and name not in READ_BY_PEOPLE:
                self.read.append((tag, name, value))
                if (tag, name) == ("a", "href"):
                    self.links.append(value)


@pytest.fixture
def ada(settings: Any) -> User:
    """A user with an old inbox, on a site that groups digits."""
    settings.USE_THOUSAND_SEPARATOR = True
    tables = ("user", "notification", "event", "change", "apitoken")
    with connection.cursor() as cursor:
        for table in tables:
            name = "auth_user" if table == "user" else f"notifications_{table}"
            cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [name])
            cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [name, FIRST])
    user = make_user("ada")
    services.open_inbox(user.pk)
    Inbox.objects.filter(pk=user.pk).update(head=FIRST, floor=FIRST)
    for number in range(SENT):
        send(user, f"order {number}")
    services.mark_all_read(user)
    return user


def pages(client: Client, start: str) -> Iterator[tuple[str, Attributes, str]]:
    """The admin's pages of the hub, as far as links lead from one of them; some of each kind."""
    waiting, seen = [start], Counter[tuple[Any, ...]]()
    while waiting:
        address = waiting.pop(0)
        parts = urlsplit(address)
        view = resolve(parts.path).view_name
        kind = (view, *([] if view.endswith("changelist") else sorted(parse_qs(parts.query))))
        if seen[kind] >= OF_A_KIND or seen.total() >= MAX_PAGES:
            continue
        answer: Any = client.get(address, follow=True)
        seen[kind] += 1
        if answer.status_code != 200 or not answer["Content-Type"].startswith("text/html"):
            continue
        page = Attributes(answer.content.decode())
        yield address, page, answer.content.decode()
        links = (urljoin(address, link.partition("#")[0]) for link in page.links)
        waiting += [
            link for link in links if link.startswith("/admin/") and not link.startswith("/admin/auth/")
        ]


def test_admin__with_grouped_digits__keeps_them_out_of_addresses_and_data(ada: User) -> None:
    services.broadcast(Recipients(users=[ada]), order_event(), title="Broadcast")
    services.create_token(ada, name="ci", scopes=["read"], expires_at=None, created_by="root")
    worker = Worker.objects.create(pid=1, host="here")
    StreamSession.objects.create(
        user=ada, worker=worker, epoch="abcdefgh", resume="now", start_position=FIRST, position=FIRST + SENT
    )
    visited, texts = [], ""
    for address, page, text in pages(
        client_of(make_user("root", is_staff=True, is_superuser=True)), "/admin/"
    ):
        wrong = [found for found in page.read if GROUPED.search(found[2])]
        assert not wrong, address
        visited.append(address)
        texts += text
    assert "1,263" in texts, "people see it grouped"
    for part in (
        "past/?position=",
        f"inbox/{ada.pk}/change/?from=",
        "withdraw/?ids=",
        "delete/",
        "erase/",
        "tail/",
    ):
        assert any(part in address for address in visited), part


def test_inbox_page__with_grouped_digits__marks_all_read_up_to_its_position(ada: User) -> None:
    send(ada, "unread")
    client = client_of(ada)
    page = Attributes(client.get("/").content.decode())
    assert not [found for found in page.read if GROUPED.search(found[2])]
    assert ("input", "value", str(Inbox.objects.get(pk=ada.pk).head)) in page.read
