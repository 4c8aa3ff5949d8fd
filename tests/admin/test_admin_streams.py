"""The admin's streams: who is online, from which device, and what was delivered; read only."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications import services
from notifications.models import EndReason, StreamSession, Worker, new_public_id
from notifications.services import NewStream, Progress
from tests.helpers.factories import make_user, send
from tests.helpers.staff import STREAMS, client_of, make_staff

pytestmark = pytest.mark.django_db(transaction=True)

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"


@pytest.fixture
def worker() -> Worker:
    made = Worker(host="web-1", pid=4711)
    services.write_sign_of_life(made)
    return made


@pytest.fixture
def staff() -> Client:
    return client_of(make_staff("vera", "view_streamsession"))


def opened(user: User, worker: Worker) -> StreamSession:
    new = NewStream(
        id=new_public_id(), user_id=user.pk, agent=FIREFOX, address="203.0.113.7", filters="level=error"
    )
    services.open_stream(new, worker, lambda state: ("exact", state.head))
    return StreamSession.objects.get(pk=new.id)


def owners(staff: Client, **parameters: Any) -> list[str]:
    response = staff.get(STREAMS, parameters)
    assert response.status_code == 200
    return [row.user.username for row in response.context["cl"].result_list]


def test_list__shows_who_is_online_and_finds_by_name(staff: Client, worker: Worker) -> None:
    silent = Worker(host="web-2", pid=1)
    services.write_sign_of_life(silent)
    ada, grace, joan = make_user("ada"), make_user("grace"), make_user("joan")
    opened(ada, worker)
    gone = opened(grace, worker)
    services.write_sign_of_life(
        worker, progress={gone.pk: Progress(gone.epoch, 4, 9)}, closed={gone.pk: EndReason.SLOW}
    )
    opened(joan, silent)
    Worker.objects.filter(pk=silent.pk).update(seen_at="2020-01-01T00:00:00Z")
    assert owners(staff) == ["ada"], "who is connected is what the list is for"
    assert owners(staff, state="all") == ["joan", "grace", "ada"]
    assert owners(staff, state="ended") == ["joan", "grace"]
    assert owners(staff, q="GRA") == []
    nobody = staff.get(STREAMS, {"q": "GRA"})
    assert "No matching user is connected now" in nobody.content.decode()
    assert owners(staff, **QueryDict(nobody.context["all_query"][1:]).dict()) == ["grace"]
    text = staff.get(STREAMS, {"state": "all"}).content.decode()
    for part in (
        "Firefox on Linux",
        "203.0.113.7",
        "Client too slow",
        "5 to 9",
        "Worker not responding",
    ):
        assert part in text


def test_list__any_number_of_rows__costs_the_same_few_queries(staff: Client, worker: Worker) -> None:
    for _ in range(8):
        opened(make_user(), worker)
    with CaptureQueriesContext(connection) as captured:
        staff.get(STREAMS)
    assert len(captured) <= 6  # session, user, permissions, count, page


def test_page__shows_the_record_and_changes_nothing(staff: Client, worker: Worker) -> None:
    row = opened(make_user("ada"), worker)
    page = f"{STREAMS}{row.pk}/change/"
    text = staff.get(page).content.decode()
    at = timezone.localtime(row.opened_at).strftime("%H:%M:%S")
    for part in (
        str(row.pk),
        FIREFOX,
        "level=error",
        "web-1:4711",
        "nothing after position 0",
        "Stream of ada",
        at,
    ):
        assert part in text
    services.write_sign_of_life(worker, progress={}, closed={row.pk: EndReason.CLIENT})
    ended = staff.get(page).content.decode()
    assert "Closed by the client" in ended
    assert "None" not in ended
    Worker.objects.all().delete()
    assert staff.get(page).status_code == 200
    assert staff.post(page, {"position": "9"}).status_code == 403
    assert staff.get(f"{STREAMS}add/").status_code == 403
    assert staff.post(f"{STREAMS}{row.pk}/delete/").status_code == 403
    assert client_of(make_staff("nobody")).get(STREAMS).status_code == 403


@pytest.mark.parametrize(
    "query", ["state=x", "user__password__startswith=a", "token__token_hash__startswith=a", "q=%00", "p=x"]
)
def test_list__bad_query__is_no_oracle_and_no_failure(staff: Client, query: str) -> None:
    assert staff.get(f"{STREAMS}?{query}").status_code in (200, 302, 400)


def test_deleting_a_user_in_the_admin__takes_their_streams_along(worker: Worker) -> None:
    ada = make_user("ada")
    opened(ada, worker)
    root = client_of(make_user("root", is_staff=True, is_superuser=True))
    answer = root.post(f"/admin/auth/user/{ada.pk}/delete/", {"post": "yes"})
    assert answer.status_code == 302
    assert not StreamSession.objects.exists()


def test_open_stream__that_has_come_further_than_its_record__is_not_said_to_be_behind(
    staff: Client, worker: Worker
) -> None:
    ada = make_user("ada")
    row = opened(ada, worker)
    for _ in range(8):
        send(ada)
    services.write_sign_of_life(worker, progress={row.pk: Progress(row.epoch, 0, 3)})
    ago = timezone.now() - timedelta(seconds=4)
    StreamSession.objects.filter(pk=row.pk).update(opened_at=ago - timedelta(hours=1))
    Worker.objects.filter(pk=worker.pk).update(seen_at=ago)
    text = staff.get(STREAMS).content.decode()
    assert re.search(r"recorded up to 3 of 8, \d+ s ago", text)
    assert "behind" not in text.lower()
    services.write_sign_of_life(worker, progress={row.pk: Progress(row.epoch, 0, 8)})
    assert "up to date" in staff.get(STREAMS).content.decode()


def test_record__is_as_old_as_the_last_look_at_all_streams__whatever_has_ended_since(worker: Worker) -> None:
    ada = make_user("ada")
    gone = opened(ada, worker)
    then = timezone.now() - timedelta(seconds=9)
    Worker.objects.filter(pk=worker.pk).update(seen_at=then)
    services.write_sign_of_life(worker, closed={gone.pk: EndReason.CLIENT}, is_whole=False)
    assert Worker.objects.get(pk=worker.pk).seen_at == then
    services.write_sign_of_life(worker)
    assert Worker.objects.get(pk=worker.pk).seen_at > then


def test_polls_and_lists__are_counted_and_called_as_what_they_are(staff: Client, worker: Worker) -> None:
    row = opened(make_user("ada"), worker)
    assert "1 stream" in " ".join(staff.get(STREAMS).content.decode().split())
    services.write_sign_of_life(worker, closed={row.pk: EndReason.CLIENT})
    StreamSession.objects.filter(pk=row.pk).update(reason=EndReason.LISTED)
    assert "1 record" in " ".join(staff.get(STREAMS, {"state": "all"}).content.decode().split())
    assert "List request by ada" in staff.get(f"{STREAMS}{row.pk}/change/").content.decode()
