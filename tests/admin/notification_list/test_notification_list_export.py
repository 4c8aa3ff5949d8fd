"""A filtered list as a file: what is in it, for whom, and that no spreadsheet runs it."""

from __future__ import annotations

import csv
import gc
import io
import json
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import AsyncClient, Client, override_settings
from django.test.utils import CaptureQueriesContext

from notifications import services
from notifications.admin.notification_list import export
from notifications.admin.notification_list.export_runs import ExportRecord
from notifications.event_types import UntypedEvent
from notifications.models import Event
from tests.helpers.factories import send
from tests.helpers.staff import LIST, client_of, make_staff

pytestmark = pytest.mark.django_db(transaction=True)
EXPORT = f"{LIST}export/"


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
    response.close()

    async def over_asgi() -> str:
        client = AsyncClient()
        await client.alogin(username="vera", password="vera")
        answer: Any = await client.post(EXPORT, {"format": "csv"})
        return "".join([text.decode() async for text in answer.streaming_content])

    assert [line.split(",")[1] for line in async_to_sync(over_asgi)().splitlines()[1:]] == ["ada"] * 5


def test_export__in_json__has_data_as_it_was_sent(reader: Client, ada: User) -> None:
    send(ada, event=UntypedEvent(type_name="shop.order", fields={"lines": [{"n": 1.50, "é": None}]}))
    assert exported(reader, file_format="json")[0]["data"] == {"lines": [{"n": 1.5, "é": None}]}
    assert exported(reader)[0]["data"] == '{"lines":[{"n":1.5,"\\u00e9":null}]}', "a cell is text"
    # What somebody wrote past the services is shown, and harms no other.
    send(ada)
    Event.objects.filter(type="orders.order.shipped").update(actions="none")
    assert [row["actions"] for row in exported(reader, file_format="json")] == ["none", []]
    for text in ("no JSON", "[1]", '{"n":NaN}'):
        Event.objects.filter(type="shop.order").update(data=text)
        assert [row["data"] for row in exported(reader, file_format="json")] == [{"order_id": 7}, text]


def history() -> list[str]:
    return [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")]


@pytest.mark.parametrize("file_format", ["csv", "json"])
@pytest.mark.parametrize("over", ["wsgi", "asgi"])
def test_export__that_fails__is_not_on_record_as_done_and_its_file_says_so(
    reader: Client, ada: User, monkeypatch: pytest.MonkeyPatch, file_format: str, over: str
) -> None:
    send(ada, "first")
    send(ada, "second")
    monkeypatch.setattr(export, "CHUNK", 1)
    read, calls = export.records, iter([False, True])

    def fail_later(*given: Any) -> Any:
        if next(calls):
            raise OperationalError("the database is lost")
        return read(*given)

    monkeypatch.setattr(export, "records", fail_later)
    parts: list[str] = []

    def over_wsgi() -> None:
        answer: Any = reader.post(f"{EXPORT}?level=info", {"format": file_format})
        assert history() == [f"An export as {file_format.upper()}, with content, was started: level=info."]
        parts.extend(part.decode() for part in answer.streaming_content)

    async def over_asgi() -> None:
        client = AsyncClient()
        await client.alogin(username="vera", password="vera")
        answer: Any = await client.post(f"{EXPORT}?level=info", {"format": file_format})
        async for part in answer.streaming_content:
            parts.append(part.decode())  # noqa: PERF401 (those before an error count)

    with pytest.raises(OperationalError):
        over_wsgi() if over == "wsgi" else async_to_sync(over_asgi)()
    assert history() == [
        f"The export as {file_format.upper()}, with content, failed after 1 notifications: level=info."
    ]
    assert "This export failed here and is not complete." in parts[-1]
    with pytest.raises(json.JSONDecodeError):
        json.loads("".join(parts))


def test_export__whose_end_cannot_be_recorded__is_no_whole_file(
    reader: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(record: ExportRecord) -> None:
        raise OperationalError("the database is lost")

    monkeypatch.setattr(ExportRecord, "done", fail)
    with pytest.raises(OperationalError):
        exported(reader)
    assert history() == ["The export as CSV, with content, failed after 0 notifications: all."]


@override_settings(NOTIFICATION_HUB={"max_exports": 1})
def test_export__one_more_than_there_may_be__is_told_and_leaves_no_record(reader: Client, ada: User) -> None:
    send(ada)
    first: Any = reader.post(EXPORT, {"format": "csv"})
    refused = reader.post(EXPORT, {"format": "csv"})
    assert (refused.status_code, refused["Retry-After"]) == (429, "10")
    assert "Nothing was exported" in refused.content.decode()
    first.close()
    assert history() == ["The export as CSV, with content, was interrupted after 0 notifications: all."]
    # Nor does one count that nobody can close any more.
    reader.post(EXPORT, {"format": "csv"})
    gc.collect()
    assert len(exported(reader)) == 1


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
