"""A filtered list as a file: what is in it, for whom, and that no spreadsheet runs it."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext

from notifications import services
from notifications.admin import export
from tests.helpers.factories import make_user, send
from tests.helpers.staff import LIST, client_of, make_staff

pytestmark = pytest.mark.django_db(transaction=True)
EXPORT = f"{LIST}export/"


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def reader() -> Client:
    return client_of(make_staff("vera", "view_notification", "view_content"))


def exported(client: Client, query: str = "", file_format: str = "csv") -> list[dict[str, Any]]:
    response = client.post(f"{EXPORT}{query}", {"format": file_format})
    assert response.status_code == 200, response.content
    assert response.streaming
    text = b"".join(response.streaming_content).decode()  # type: ignore[attr-defined]
    return json.loads(text) if file_format == "json" else list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("file_format", ["csv", "json"])
def test_export__has_what_the_list_has__and_leaves_a_record(
    reader: Client, ada: User, file_format: str
) -> None:
    first = send(ada, "first", body='a,"b"\nc', topic="order:7", source="shop")
    send(ada, "second", level="error")
    services.delete(ada, [first], reason="withdrawn")
    [record] = exported(reader, "?topic=order:7", file_format)
    assert [record[name] for name in ("id", "recipient", "state", "reason", "title", "body", "sent_by")] == [
        str(first), "ada", "deleted", "withdrawn", "first", 'a,"b"\nc', "shop"
    ]  # fmt: skip
    assert str(record["position"]) == "1"
    assert [row["title"] for row in exported(reader, "", file_format)] == ["second", "first"]
    assert exported(reader, "?recipient=nobody", file_format) == []
    log = LogEntry.objects.order_by("pk")[0].get_change_message()
    assert log == f"Exported as {file_format.upper()}, with content: topic=order:7."


def test_export__cells_that_a_spreadsheet_would_run__are_text(reader: Client, ada: User) -> None:
    titles = ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\uff1d1", "safe = 1"]
    for title in titles:
        send(ada, title, source=f"={title}")
    rows = exported(reader)[::-1]
    assert [row["title"] for row in rows] == [f"'{title}" for title in titles[:-1]] + ["safe = 1"]
    assert all(row["sent_by"].startswith("'=") for row in rows)
    assert exported(reader, file_format="json")[-1]["title"] == "=1+1", "JSON is for programs"


def test_export__of_any_length__reads_some_at_a_time(
    reader: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "CHUNK", 2)
    for number in range(5):
        send(ada, str(number))
    response = reader.post(EXPORT, {"format": "csv"})
    parts = iter(response.streaming_content)  # type: ignore[attr-defined]
    costs = []
    for _part in range(4):
        with CaptureQueriesContext(connection) as captured:
            next(parts)
        costs.append(len(captured))
    assert costs == [0, 2, 2, 2], "the head, then keys and rows of each part"

    async def over_asgi() -> str:
        client = AsyncClient()
        await client.alogin(username="vera", password="vera")
        answer: Any = await client.post(EXPORT, {"format": "csv"})
        return "".join([text.decode() async for text in answer.streaming_content])

    assert [line.split(",")[1] for line in async_to_sync(over_asgi)().splitlines()[1:]] == ["ada"] * 5


def test_export__refused__exports_nothing_and_leaves_no_record(reader: Client, ada: User) -> None:
    send(ada, "first")
    assert reader.get(EXPORT).status_code == 405
    assert reader.post(EXPORT, {"format": "xls"}).status_code == 400
    assert reader.post(f"{EXPORT}?sent_from=never", {"format": "csv"}).status_code == 400
    assert reader.post(f"{EXPORT}?types=orders.order.shipped", {"format": "csv"}).status_code == 400
    assert reader.post(EXPORT, {"format": "csv", "recipient": "ada"}).status_code == 400
    assert client_of(make_staff("zoe")).post(EXPORT, {"format": "csv"}).status_code == 403
    checked = Client(enforce_csrf_checks=True)
    checked.force_login(User.objects.get(username="vera"))
    assert checked.post(EXPORT, {"format": "csv"}).status_code == 403
    assert not LogEntry.objects.exists()
