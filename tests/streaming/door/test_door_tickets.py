"""Tokens and tickets against each of the supported servers, and what their logs keep of them."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from django.contrib.auth.models import User

from notifications.models import ApiToken
from tests.helpers.factories import make_token, send
from tests.helpers.processes import HubProcess, ServerName
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until

# The servers are the same in both shapes.
pytestmark = [pytest.mark.system, pytest.mark.shape("embedded")]

STREAM = "/api/v1/notifications/stream"


@pytest.fixture(params=["serve", "daphne", "uvicorn"])
def hub(transactional_db: None, request: pytest.FixtureRequest) -> Iterator[HubProcess]:
    server: ServerName = request.param
    with HubProcess(server, env={"HUB_SWEEP_SECONDS": "0.2"}) as running:
        yield running


def test_token_and_ticket__open_streams__and_stand_in_no_log(hub: HubProcess, ada: User) -> None:
    token, text = make_token(ada, "read")
    bearer = {"Authorization": f"Bearer {text}"}
    by_token = hub.stream(headers=bearer)
    by_token.expect("stream.live")
    with httpx.Client(
        base_url=hub.base_url, headers=bearer, timeout=PATIENCE_SECONDS, trust_env=False
    ) as client:
        ticket = client.post("/api/v1/stream/ticket").raise_for_status().json()["ticket"]
        by_ticket = hub.stream(query=f"ticket={ticket}")
        by_ticket.expect("stream.live")
        assert client.get(f"{STREAM}?token={text}").status_code == 400
        assert client.get(f"/api/v1/notifications?access_token={text}").status_code == 400
        assert client.get("/api/v1/notifications").json()["unread_count"] == 0
    assert hub.stream(query=f"ticket={ticket}").status == 401
    twice = {"Authorization": f"Bearer {text}, Bearer {text}"}
    assert hub.client().get(STREAM, headers=twice).status_code == 401
    send(ada)
    assert by_token.expect("notification.created").data == by_ticket.expect("notification.created").data
    wait_until(
        lambda: ApiToken.objects.exclude(last_used_at=None).filter(pk=token.pk).exists(),
        what="the use of the token",
    )
    by_ticket.close()
    by_token.close()
    hub.stop()
    logged = hub.output()
    assert "Traceback" not in logged
    assert text not in logged
    assert text[5:] not in logged
    assert ticket not in logged
    assert ticket.rpartition(":")[2] not in logged
