"""Replays from the admin: what is shown before, who may, what is done once, and what is on record."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications import selectors, services
from notifications.admin.jobs import job_admin
from notifications.models import Notification, Replay, ReplayedNotification, Worker, new_public_id
from notifications.selectors.staff import counts
from notifications.services import NewStream
from tests.helpers.factories import make_user, send, stage_at
from tests.helpers.oracle import assert_converges
from tests.helpers.staff import LIST, REPLAYS, client_of, make_staff, messages_of, page_of, row_of

pytestmark = pytest.mark.django_db(transaction=True)

ADD = f"{REPLAYS}add/"


def form(verb: str = "redeliver", **fields: Any) -> dict[str, Any]:
    return {"verb": verb, "reason": "She never got it.", "form_key": str(uuid4()), "step": "send", **fields}


def titles(user: User) -> list[str]:
    services.open_inbox(user.pk)
    return [row.title for row in selectors.list_page(user.pk).rows]


def test_replay__of_one__asks_shows_and_only_then_does_it_and_leaves_a_record(
    staff: Client, ada: User
) -> None:
    old = send(ada, "old")
    page = staff.get(page_of(old))
    assert page.context["replay_url"] == f"{ADD}?ids={old}"
    asked = staff.get(page.context["replay_url"])
    assert (asked.context["preview"].total.words, asked.context["preview"].user_count) == (
        "1 notification",
        1,
    )
    assert asked.context["preview"].fits == {"show": 0, "redeliver": 1, "copy": 1}
    given = form(ids=str(old))
    shown = staff.post(ADD, given | {"step": "preview"})
    assert "1 of 1 notification" in " ".join(shown.content.decode().split())
    assert not Replay.objects.exists(), "it has only been asked"
    with assert_converges(ada):
        done = staff.post(ADD, given, follow=True)
    assert done.context["progress"]["texts"]["done"] == "1"
    assert (done.context["progress"]["state"], done.context["progress"]["percent"]) == ("done", 100)
    new = Notification.objects.get(replay_of=old)
    assert new.replay_id == Replay.objects.get().pk
    again = staff.post(ADD, given, follow=True)
    assert messages_of(again) == ["This was already requested; nothing was sent twice."]
    assert (Replay.objects.count(), Notification.objects.count()) == (1, 2)
    other = staff.post(ADD, given | {"reason": "Another one."})
    assert "already sent with different content" in str(other.context["form"].non_field_errors())
    entries = LogEntry.objects.order_by("pk").values_list("content_type__model", "change_message")
    assert list(entries) == [(model, "Re-deliver: She never got it.") for model in ("replay", "notification")]
    assert "She never got it." in staff.get(REPLAYS).content.decode()


def test_replay__of_a_filter__takes_what_the_list_shows_in_the_background(
    staff: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_admin, "INLINE_SECONDS", 0)
    monkeypatch.setattr(counts, "MAX_COUNT", 2)
    for number in range(3):
        send(ada, f"wanted {number}", topic="site:1")
    send(ada, "other")
    query = "recipient=ada&topic=site:1&sent=hour"
    page = staff.get(f"{LIST}?{query}")
    assert f"{ADD}?" in page.content.decode()
    asked = staff.get(f"{ADD}?{query}&before=9.9&o=1")
    assert asked.context["preview"].total.is_estimate
    fields = asked.context["selection_fields"]
    assert set(fields) == {"recipient", "topic", "sent_from"}, "a time that does not move on"
    done = staff.post(ADD, form(**fields), follow=True)
    assert done.context["progress"]["is_live"]
    job = Replay.objects.get()
    url = f"{REPLAYS}{job.pk}/progress/"
    assert staff.get(url).json()["state"] == "queued"
    while services.run_replay_chunk():
        pass
    answer = staff.get(url)
    assert "no-store" in answer["Cache-Control"]
    assert answer.json()["texts"]["done"] == "3"
    assert titles(ada) == ["wanted 2", "wanted 1", "wanted 0", "other"]


def test_replay__copies_to_users_and_a_selection_leads_to_it(staff: Client, ada: User) -> None:
    grace = make_user("grace")
    ids = [send(ada, "one"), send(ada, "two")]
    rows = Notification.objects.values_list("pk", flat=True)
    answer = staff.post(
        f"{LIST}?recipient=ada", {"action": "replay_selected", "_selected_action": list(rows)}
    )
    assert set(answer.url.partition("ids=")[2].split("%2C")) == set(map(str, ids))  # type: ignore[attr-defined]
    staff.post(ADD, form("copy", ids=",".join(map(str, ids)), copy_to=[grace.pk]))
    assert titles(grace) == ["two", "one"]
    assert LogEntry.objects.filter(content_type__model="notification").count() == 2


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({"reason": " "}, "reason"),
        ({"reason": "x" * 501}, "reason"),
        ({"verb": "erase"}, "verb"),
        ({"verb": "copy"}, "copy_to"),
        ({"verb": "copy", "copy_to": ["10000000"]}, "copy_to"),
        ({"form_key": "x"}, "form_key"),
    ],
)
def test_form__that_is_wrong__says_so_and_sends_nothing(
    staff: Client, ada: User, fields: Any, bad: str
) -> None:
    page = staff.post(ADD, form(ids=str(send(ada))) | fields)
    assert list(page.context["form"].errors) == [bad]
    assert not Replay.objects.exists()


@pytest.mark.parametrize(
    "query",
    [
        "",
        "ids=x",
        "ids=" + ",".join(["01a1fed8-83b6-7526-9c03-cdd036551e91"] * 2),
        "state=x",
        "recipient__password__startswith=p",
        "event=1;2",
    ],
)
def test_selection__that_is_none__leads_back_to_the_list(staff: Client, ada: User, query: str) -> None:
    send(ada)
    for answer in (
        staff.get(f"{ADD}?{query}"),
        staff.post(ADD, form(**dict([query.split("=", 1)] if query else []))),
    ):
        assert answer.status_code == 302
        assert urlsplit(answer.url).path == LIST  # type: ignore[attr-defined]
    assert not Replay.objects.exists()


def test_without_the_right__every_address_is_refused_and_nothing_is_sent(staff: Client, ada: User) -> None:
    old = send(ada, "private title")
    staff.post(ADD, form(ids=str(old)))
    job = Replay.objects.get()
    viewer = client_of(
        make_staff("vera", "view_notification", "view_content", "change_notification", "compose")
    )
    addresses = [REPLAYS, f"{ADD}?ids={old}", f"{REPLAYS}{job.pk}/change/", f"{REPLAYS}{job.pk}/progress/"]
    assert [viewer.get(address).status_code for address in addresses] == [403] * 4
    assert viewer.post(ADD, form(ids=str(old))).status_code == 403
    assert viewer.post(f"{REPLAYS}{job.pk}/cancel/").status_code == 403
    page = viewer.get(page_of(old)).content.decode()
    assert "Replay…" not in page
    assert "replay_selected" not in viewer.get(LIST).content.decode()
    assert Replay.objects.count() == 1
    # Whoever may replay and not read content sees none of it, and a GET does nothing at all.
    wim = client_of(make_staff("wim", "view_notification", "replay"))
    for address in (f"{ADD}?ids={old}&step=send&verb=show&reason=x", addresses[2]):
        assert "private title" not in wim.get(address).content.decode()
    assert wim.get(f"{REPLAYS}{job.pk}/cancel/").status_code == 405
    assert Replay.objects.count() == 1


def test_cancel__ends_it_once_and_is_on_record(
    staff: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_admin, "INLINE_SECONDS", 0)
    staff.post(ADD, form(ids=str(send(ada))))
    url = f"{REPLAYS}{Replay.objects.get().pk}/cancel/"
    said = [messages_of(staff.post(url, follow=True))[0] for _ in range(2)]
    assert said == ["It was cancelled. What had been done before is not undone.", "It had already finished."]
    assert not services.run_replay_chunk()
    assert Notification.objects.count() == 1


def test_queries__of_the_pages__do_not_depend_on_how_much_there_is(staff: Client, ada: User) -> None:
    counts: list[list[int]] = []
    for _ in range(2):
        ids = [send(ada) for _ in range(5)]
        staff.post(ADD, form(ids=",".join(map(str, ids))))
        pages = (
            f"{ADD}?recipient=ada",
            REPLAYS,
            f"{REPLAYS}{Replay.objects.latest('created_at').pk}/change/",
        )
        counts.append([])
        for page in pages:
            with CaptureQueriesContext(connection) as captured:
                assert staff.get(page).status_code == 200
            counts[-1].append(len(captured))
    assert counts[0] == counts[1]
    assert max(counts[0]) <= 14


# --- where one looks for them


def facts(response: Any, kind: str) -> list[list[tuple[str, str]]]:
    """Names and texts of the facts of each entry of a kind on a timeline."""
    return [
        [(fact.name, fact.text) for fact in entry.facts]
        for entry in response.context["timeline"]
        if entry.kind == kind
    ]


def test_shown_again__is_on_the_timeline__by_a_filter_too(staff: Client, ada: User) -> None:
    public_id, other = send(ada, "this", topic="site:1"), send(ada, "other")
    worker = Worker(host="here", pid=1)
    services.write_sign_of_life(worker)
    new = NewStream(id=new_public_id(), user_id=ada.pk)
    services.open_stream(new, worker, lambda state: ("none", state.head))
    staff.post(ADD, form("show", ids=str(public_id), reason="First."))
    staff.post(ADD, form("show", recipient="ada", topic="site:1", reason="Second."))
    page = staff.get(page_of(public_id))
    assert facts(page, "replayed") == [
        [("By", "root"), ("Reason", "First.")],
        [("By", "root"), ("Reason", "Second.")],
    ]
    assert [entry.kind for entry in page.context["timeline"]][:2] == ["staged", "created"]
    assert f"{REPLAYS}{Replay.objects.get(reason='Second.').pk}/change/" in page.content.decode()
    assert facts(staff.get(page_of(other)), "replayed") == []
    viewer = client_of(make_staff("vera", "view_notification")).get(page_of(public_id))
    assert facts(viewer, "replayed") == facts(page, "replayed")
    assert REPLAYS not in viewer.content.decode(), "whose page is for those who may replay"


def test_redelivered__the_original_leads_to_its_successor_and_back(staff: Client, ada: User) -> None:
    old = send(ada, "old", source="shop")
    services.delete(ada, [old])
    staff.post(ADD, form(ids=str(old)))
    new = Notification.objects.get(replay_of=old)
    original = staff.get(page_of(old))
    assert facts(original, "replayed") == [
        [("New notification", str(new.public_id)), ("By", "root"), ("Reason", "She never got it.")]
    ]
    successor = staff.get(page_of(new.public_id))
    assert [fact.url for fact in original.context["successors"]] == [page_of(new.public_id)]
    assert [fact.url for fact in successor.context["sources"]] == [page_of(old)]
    [staged] = [entry for entry in successor.context["timeline"] if entry.kind == "staged"]
    assert staged.note.startswith("The content was first sent by shop at ")
    assert "re-delivered" in staff.get(f"{LIST}?recipient=ada").content.decode()


def test_copy__says_of_what__and_when_it_was_staged_itself(staff: Client, ada: User) -> None:
    grace = make_user("grace")
    sent_at = timezone.now() - timedelta(days=3)
    old = stage_at(send(ada, "old", source="shop"), sent_at)
    staff.post(ADD, form("copy", ids=str(old), copy_to=[grace.pk]))
    copy = Notification.objects.get(recipient=grace)
    assert facts(staff.get(page_of(old)), "replayed") == [
        [("To", "grace"), ("By", "root"), ("Reason", "She never got it.")]
    ]
    page = staff.get(page_of(copy.public_id))
    [staged] = [entry for entry in page.context["timeline"] if entry.kind == "staged"]
    assert staged.at > sent_at + timedelta(days=2)
    assert facts(page, "staged") == [
        [("Copy of", f"{old}, sent to ada"), ("By", "root"), ("Reason", "She never got it.")]
    ]
    assert "copied" in staff.get(f"{LIST}?recipient=grace").content.decode()


def test_copy__that_waits__has_not_waited_since_the_original_was_sent(staff: Client, ada: User) -> None:
    old = stage_at(send(ada, "old"), timezone.now() - timedelta(days=3))
    copy = Notification.objects.create(recipient=make_user(), event=row_of(old).event)
    assert "about to appear in the inbox" in staff.get(page_of(copy.public_id)).content.decode()


def test_copy__of_one_that_is_gone__says_so(staff: Client, ada: User) -> None:
    grace = make_user("grace")
    old = send(ada, "old")
    staff.post(ADD, form("copy", ids=str(old), copy_to=[grace.pk]))
    staff.post(ADD, form("redeliver", ids=str(Notification.objects.get(recipient=grace).public_id)))
    ada.delete()
    assert ReplayedNotification.objects.count() == 1, "what is gone leaves no record behind"
    [copy] = Notification.objects.filter(recipient=grace, replay_of=None)
    assert facts(staff.get(page_of(copy.public_id)), "staged")[0][0] == (
        "Copy of",
        "a notification that no longer exists",
    )


def test_producers_replay__leads_on_as_one_of_the_staff_does(staff: Client, ada: User) -> None:
    old = send(ada, "old")
    new = send(ada, "old", replay_of=old)
    assert facts(staff.get(page_of(old)), "replayed") == [[("New notification", str(new))]]
    assert facts(staff.get(page_of(new)), "staged") == [[("Replay of", str(old))]]
