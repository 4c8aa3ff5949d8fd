"""The endpoint of a large send: its progress, its end, and who may look."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifications import services
from notifications.models import Broadcast
from notifications.services import Recipients
from tests.helpers.api import Api
from tests.helpers.factories import make_token, make_user, order_event

pytestmark = pytest.mark.django_db(transaction=True)


def make_producer(username: str) -> User:
    user = make_user(username)
    user.user_permissions.add(Permission.objects.get(codename="add_notification"))
    return user


@pytest.fixture
def ada() -> User:
    return make_producer("ada")


@pytest.fixture
def job(ada: User, settings: Any) -> Broadcast:
    settings.NOTIFICATION_HUB = {"max_sequence_chunk": 2}
    for name in ("grace", "linus"):
        make_user(name)
    return services.broadcast(Recipients(everyone=True), order_event(), title="t", owner=ada)


def url(broadcast_id: Any) -> str:
    return f"/api/v1/publish/jobs/{broadcast_id}"


def test_job__from_queued_to_done__tells_how_far_it_is(ada: User, job: Broadcast) -> None:
    api = Api(token=make_token(ada, "publish").text)
    queued = api.get(url(job.pk))
    assert queued.status == 200
    assert queued.json | {"created_at": ""} == {
        "id": str(job.pk), "state": "queued", "total": 3, "done": 0, "failed": 0, "rate": None,
        "created_at": "", "started_at": None, "finished_at": None,
    }  # fmt: skip
    services.run_broadcast_chunk()
    running = api.get(url(job.pk)).json
    assert (running["state"], running["total"], running["done"], running["finished_at"]) == (
        "running",
        3,
        2,
        None,
    )
    while services.run_broadcast_chunk():
        pass
    done = api.get(url(job.pk)).json
    assert (done["state"], done["done"], done["failed"]) == ("done", 3, 0)
    assert done["created_at"] <= done["started_at"] <= done["finished_at"]


def test_job__deleted__is_cancelled_and_stays_so(ada: User, job: Broadcast) -> None:
    api = Api(ada)
    services.run_broadcast_chunk()
    answer = api.ask("DELETE", url(job.pk))
    assert (answer.status, answer.json["state"], answer.json["done"]) == (200, "cancelled", 2)
    assert api.ask("DELETE", url(job.pk)).json == answer.json == api.get(url(job.pk)).json
    assert not services.run_broadcast_chunk()


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_job__of_somebody_else_or_of_nobody__is_404_and_goes_on(job: Broadcast, method: str) -> None:
    api = Api(make_producer("eve"))
    answers = [api.ask(method, url(key)) for key in (job.pk, uuid4())]
    assert [answer.status for answer in answers] == [404, 404]
    assert answers[0].problem == answers[1].problem
    assert answers[0].problem["detail"] == "There is no such job."
    assert Broadcast.objects.get().state == "queued"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_job__without_the_right_to_send__is_refused(ada: User, job: Broadcast, method: str) -> None:
    assert Api().ask(method, url(job.pk)).code == "not_authenticated"
    assert Api(token=make_token(ada).text).ask(method, url(job.pk)).code == "forbidden"
    ada.user_permissions.clear()
    assert Api(ada).ask(method, url(job.pk)).code == "forbidden"
    assert Broadcast.objects.get().state == "queued"


@pytest.mark.parametrize("path", ["/api/v1/publish/jobs/7", "/api/v1/publish/jobs/", "/api/v1/publish/jobs"])
def test_job__id_that_is_none__is_404(ada: User, path: str) -> None:
    assert Api(ada).get(path).status == 404


def test_statements__of_a_look__are_one_after_those_that_say_who_asks(ada: User, job: Broadcast) -> None:
    api = Api(token=make_token(ada, "publish").text)
    with CaptureQueriesContext(connection) as captured:
        api.get(url(job.pk))
    assert ["notification_hub_broadcast" in query["sql"] for query in captured].count(True) == 1
    assert len(captured) == 3  # the token with its user, the permission; the broadcast
