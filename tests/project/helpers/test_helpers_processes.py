"""The tests' hub processes: real ones, on the test's own database, gone with the test."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from django.contrib.auth import get_user_model

from tests.helpers.processes import HubProcess, current_database_url, hub_environment, manage

pytestmark = [pytest.mark.system, pytest.mark.shape("embedded")]


def test_shared_hub__user_made_by_the_test__is_logged_in_there(shared_hub: HubProcess) -> None:
    ada = get_user_model().objects.create_user("ada")
    assert shared_hub.client(ada).get("/api/v1/notifications").status_code == 200
    assert shared_hub.client().get("/api/v1/notifications").status_code == 401


def test_shared_hub__post_of_its_client__passes_the_csrf_check(shared_hub: HubProcess) -> None:
    ada = get_user_model().objects.create_user("ada")
    answer = shared_hub.client(ada).post("/api/v1/notifications/actions", json={"action": "read", "ids": []})
    assert answer.status_code == 200, answer.text


def test_share_hub__asked_alike__is_one_process_until_it_ends(share_hub: Callable[..., HubProcess]) -> None:
    first = share_hub()
    assert share_hub() is first
    first.kill()
    second = share_hub()
    assert second is not first
    assert second.is_running()


def test_live_hub__restarted_and_killed__is_another_process_at_the_same_place_then_none(
    live_hub: HubProcess,
) -> None:
    before = live_hub.pid, live_hub.base_url
    live_hub.restart()
    assert live_hub.pid != before[0]
    assert live_hub.base_url == before[1]
    assert live_hub.is_running()
    live_hub.kill()
    assert not live_hub.is_running()
    with pytest.raises(httpx.ConnectError):
        live_hub.client().get("/")


def test_start_hub__that_cannot_start__fails_with_its_log(start_hub: Callable[..., HubProcess]) -> None:
    with pytest.raises(AssertionError, match="serve ended at once"):
        start_hub(env={"HUB_HEARTBEAT_SECONDS": "absurd"})


@pytest.mark.django_db(transaction=True)
def test_manage__run_by_a_test__works_on_its_database() -> None:
    get_user_model().objects.create_user("ada")
    assert "test" in current_database_url()
    code = (
        "from django.contrib.auth import get_user_model as g; print(*g().objects.values_list('username', "
        "flat=True))"
    )
    assert manage("shell", "--no-imports", "-c", code).strip() == "ada"
    with pytest.raises(AssertionError, match="no-such-command"):
        manage("no-such-command")


@pytest.mark.django_db
def test_hub_environment__extra__wins() -> None:
    assert hub_environment({"DEBUG": "0"})["DEBUG"] == "0"
    assert hub_environment()["DJANGO_SETTINGS_MODULE"] == "tests.settings"
