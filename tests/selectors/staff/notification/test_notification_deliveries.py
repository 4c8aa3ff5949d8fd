"""The proof of delivery on a notification's page: what streams and polls on record had it, and nothing
else.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications import services
from notifications.models import EndReason, Inbox, StreamSession, Worker
from notifications.services.records import polls
from tests.helpers.factories import make_token, make_user, order_event, send
from tests.helpers.staff import client_of, make_staff, page_of, row_of

pytestmark = pytest.mark.django_db(transaction=True)

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"
CHROME = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/156.0 Safari/537.36"
TAB = uuid4()


@pytest.fixture
def ada() -> User:
    polls._noted.clear()
    polls._last_cursors.clear()
    return make_user("ada")


@pytest.fixture
def staff(ada: User) -> Client:
    return client_of(make_staff("vera", "view_notification", "view_content"))


def stream(
    user: User, start: int, position: int, *, at: datetime | None = None, **fields: Any
) -> StreamSession:
    epoch = Inbox.objects.get(pk=user.pk).epoch
    given = {"agent": FIREFOX, "client": TAB, "resume": "exact", "epoch": epoch, **fields}
    return StreamSession.objects.create(
        user=user, start_position=start, position=position, opened_at=at or timezone.now(), **given
    )


def told(staff: Client, public_id: UUID) -> list[tuple[str, str, bool]]:
    """Device, way and whether it is confirmed, of each delivery on the page."""
    response = staff.get(page_of(public_id))
    assert response.status_code == 200
    return [
        (entry.device, entry.written_by, entry.delivery.confirmed_at is not None)
        for entry in response.context["timeline"]
        if entry.delivery
    ]


def test_streams__that_covered_it__wrote_it__and_confirm_it_by_coming_back(staff: Client, ada: User) -> None:
    earlier, public_id = send(ada, "earlier"), send(ada, "this")
    at = row_of(public_id).created_at
    assert at is not None
    before, after = at - timedelta(minutes=9), at + timedelta(seconds=17)
    stream(ada, 0, 1, at=before, agent=CHROME, client=uuid4(), closed_at=before)
    stream(ada, 1, 2, at=before, closed_at=after, reason="rotate")
    stream(ada, 1, 2, at=before, client=uuid4(), agent="curl/8.0", filters="category=billing")
    assert told(staff, public_id) == [("Firefox on Linux", "stream", False)]
    # A new page of the same tab: it began at the head and proves nothing; then the tab came back with its
    # cursor.
    stream(ada, 2, 2, at=after, resume="none", closed_at=after)
    stream(ada, 2, 2, at=after, resume="reset", closed_at=after)
    stream(ada, 2, 2, at=after, client=uuid4())
    assert told(staff, public_id) == [("Firefox on Linux", "stream", False)]
    stream(ada, 2, 2, at=after)
    assert told(staff, public_id) == [("Firefox on Linux", "stream", True)]
    page = staff.get(page_of(public_id))
    [entry] = [entry for entry in page.context["timeline"] if entry.delivery]
    assert (entry.at, entry.delivery.confirmed_at) == (at, after), "it was open, so not before the change"
    assert told(staff, earlier) == [("Chrome on Windows", "stream", False)]


@pytest.mark.parametrize(("resume", "has"), [("exact", True), ("compacted", False)])
def test_backlog__of_what_was_deleted_meanwhile__had_it_unless_compacted(
    staff: Client, ada: User, resume: str, has: bool
) -> None:
    public_id = send(ada, "this")
    services.delete(ada, [public_id])
    stream(ada, 0, 2, resume=resume)
    assert bool(told(staff, public_id)) is has


def test_polls__answered_with_it__wrote_it__and_confirm_it_with_the_next_cursor(
    staff: Client, ada: User
) -> None:
    token = make_token(ada, name="ci-deploy")
    api = Client(headers={"Authorization": f"Bearer {token.text}", "User-Agent": "curl/8.0"})
    cursor = api.get("/api/v1/notifications/changes").json()["cursor"]
    public_id, second = send(ada, "this"), send(ada, "another", event=order_event(type_name="billing.a.b"))
    api.get(f"/api/v1/notifications/changes?after={cursor}&category=orders&limit=1")
    answer = api.get(f"/api/v1/notifications/changes?after={cursor}").json()
    assert told(staff, public_id) == [], "nothing is written by the poll itself"
    services.write_answers()
    assert told(staff, public_id) == told(staff, second) == [("curl", "poll", False)]
    with CaptureQueriesContext(connection) as captured:
        for _ in range(3):
            api.get(f"/api/v1/notifications/changes?after={answer['cursor']}")
    assert not any("streamsession" in query["sql"] for query in captured.captured_queries)
    assert services.write_answers() == 1, "coming back with the same cursor again says nothing new"
    assert told(staff, public_id) == [("curl", "poll", True)]
    assert "ci-deploy" in staff.get(page_of(public_id)).content.decode()


def test_lists__with_it__wrote_it__and_confirm_it_by_their_etag(staff: Client, ada: User) -> None:
    hidden, public_id = send(ada, "older"), send(ada, "this")
    browser = Client(headers={"User-Agent": FIREFOX})
    browser.force_login(ada)
    answer = browser.get("/api/v1/notifications?limit=1")
    for query in ("?unread=true", "?q=older", "?category=billing"):
        browser.get(f"/api/v1/notifications{query}")
    services.write_answers()
    assert told(staff, public_id) == [("Firefox on Linux", "list", False)]
    assert told(staff, hidden) == []
    browser.get("/api/v1/notifications", headers={"If-None-Match": answer["ETag"]})
    services.write_answers()
    assert told(staff, public_id) == [("Firefox on Linux", "list", True)]
    assert not StreamSession.objects.exclude(reason=EndReason.LISTED).exists()


def test_answers__more_than_can_wait__are_left_out_and_cost_no_memory(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polls, "MAX_NOTED", 2)
    monkeypatch.setattr(polls, "MAX_POLLERS", 2)
    for number in range(5):
        poller = services.Poller(ada.pk, None, f"agent {number}", None)
        services.note_answer(
            services.AnsweredPoll(
                poller=poller,
                reason=EndReason.ANSWERED,
                filters="",
                epoch="a" * 8,
                start=0,
                position=1,
                is_return=True,
            )
        )
    assert (len(polls._noted), len(polls._last_cursors)) == (2, 2)
    User.objects.filter(pk=ada.pk).delete()
    assert services.write_answers() == 0, "nobody's records are kept"


def test_page__of_many_deliveries__shows_each_client_once__in_the_same_few_queries(
    staff: Client, ada: User
) -> None:
    public_id = send(ada, "this")
    stream(ada, 0, 1)
    with CaptureQueriesContext(connection) as few:
        told(staff, public_id)
    for number in range(30):
        stream(ada, 0, 1, client=None if number % 2 else uuid4(), agent=f"agent {number}")
        stream(ada, 0, 1)
    with CaptureQueriesContext(connection) as many:
        shown = told(staff, public_id)
    assert len(few) == len(many)
    assert len(shown) == 20
    assert "41 further records are not shown" in staff.get(page_of(public_id)).content.decode()


def test_client__with_another_stream_open__is_not_said_to_have_stayed_away(staff: Client, ada: User) -> None:
    """A page that was loaded again: its first stream had it, the second began at the head, and its record
    lags.
    """
    public_id = send(ada, "this")
    stream(ada, 0, 1, closed_at=timezone.now(), reason="client")
    text = staff.get(page_of(public_id)).content.decode()
    assert "there is no record that this client came back; records may be 6 seconds late" in text
    worker = Worker(host="web-1", pid=7)
    services.write_sign_of_life(worker)
    stream(ada, 1, 1, resume="none", client=uuid4(), worker=worker)
    text = staff.get(page_of(public_id)).content.decode()
    assert "has another stream open, which may have received it" in text
    assert "came back since" not in text


def test_stream__of_a_process_that_is_lost__is_not_said_to_be_open(staff: Client, ada: User) -> None:
    public_id = send(ada, "this")
    worker = Worker(host="web-1", pid=7)
    services.write_sign_of_life(worker)
    stream(ada, 0, 1, worker=worker)
    assert "the stream is still open" in staff.get(page_of(public_id)).content.decode()
    Worker.objects.update(seen_at="2020-01-01T00:00:00Z")
    assert "the stream is still open" not in staff.get(page_of(public_id)).content.decode()
