"""`POST /publish` to one user, on one connection: how many a second one core of the server takes."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission

from benchmarks.figures import Figure
from benchmarks.machine import cpu_seconds, settle
from benchmarks.people import people
from benchmarks.production import hub
from benchmarks.run import Run
from notifications import services

REQUESTS = 1_000
BODY = {
    "to": {"users": ["bench1"]},
    "type": "bench.publish.sent",
    "title": "Your order is on its way",
    "body": "It will be with you within three days.",
    "url": "/orders/7/",
    "data": {"order_id": 7},
}


def measure(run: Run) -> Iterator[Figure]:
    """Without a key, and with one."""
    token = producer_token()
    count = run.size(REQUESTS, 50)
    with (
        hub(HUB_MAX_PUBLISH_PER_MINUTE="0", HUB_SWEEP_SECONDS="300") as server,
        httpx.Client(
            base_url=server.base_url, headers={"Authorization": f"Bearer {token}"}, trust_env=False
        ) as client,
    ):
        for with_key in (False, True):
            per_second = count / cpu_of(server.pid, client, count, with_key=with_key)
            yield Figure(
                name=f"POST /publish to one user{', with a key' if with_key else ''}, per core",
                value=per_second,
                unit="/s",
                limit=None if with_key else 250,
                at_least=True,
            )


def producer_token() -> str:
    """The token of somebody who may publish, to others and as themselves."""
    [ada, _] = people(2)
    user = get_user_model()._default_manager.get(pk=ada.pk)
    user.user_permissions.add(Permission.objects.get(codename="add_notification"))
    return services.create_token(user, name="bench", scopes=["publish"], expires_at=None).text


def cpu_of(pid: int, client: httpx.Client, count: int, *, with_key: bool) -> float:
    """The server's CPU seconds for so many requests, after some that warm it up."""
    used = 0.0
    for number in range(-20, count):
        if number == 0:
            settle()
            used = cpu_seconds(pid)
        headers = {"Idempotency-Key": f"bench-{number}"} if with_key else {}
        assert client.post("/api/v1/publish", json=BODY, headers=headers).status_code == 201
    return cpu_seconds(pid) - used
