"""The client at the other end of a request."""

from __future__ import annotations

import pytest
from django.http import HttpRequest

from notifications.contrib.security.clients import NOBODY, client_of
from notifications.http.user_agents import MAX_AGENT_LENGTH

pytestmark = pytest.mark.shape("embedded")


def test_client_of__takes_only_what_can_be_stored_from_the_agent() -> None:
    request = HttpRequest()
    request.META = {"REMOTE_ADDR": "192.0.2.7", "HTTP_USER_AGENT": "curl/8\0\x1b\n" + "x" * 1_000}

    client = client_of(request)

    assert client.address == "192.0.2.7"
    assert client.agent.startswith("curl/8xx")
    assert client.agent.isprintable()
    assert len(client.agent) <= MAX_AGENT_LENGTH
    assert client.browser == "curl"


def test_client_of__ignores_who_a_request_claims_to_be_forwarded_for() -> None:
    request = HttpRequest()
    request.META = {"REMOTE_ADDR": "192.0.2.7", "HTTP_X_FORWARDED_FOR": "198.51.100.1"}
    assert client_of(request).address == "192.0.2.7"


def test_client_of__nobody_without_a_request_or_for_one_made_in_code() -> None:
    assert client_of(None) == client_of(HttpRequest()) == NOBODY
