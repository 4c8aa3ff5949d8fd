"""The user's pages without a script: what they show, take and refuse."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import include, path
from pytest_django import DjangoAssertNumQueries

from notifications import selectors, services
from notifications.models import Change, Event, Via
from tests.helpers.api import PAY
from tests.helpers.factories import make_user, order_event, send
from tests.helpers.oracle import assert_converges

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def browser_of_ada(ada: User) -> Client:
    client = Client()
    client.force_login(ada)
    return client


def unread(user: User) -> int:
    return services.open_inbox(user.pk).unread_count


@pytest.mark.parametrize("address", ["/", "/account/password/", "/account/password/done/"])
def test_pages__for_nobody__lead_to_the_login(client: Client, address: str) -> None:
    answer = client.get(address)
    assert (answer.status_code, answer["Location"]) == (302, f"/login/?next={address}")


def test_login__by_the_form__leads_where_one_was_going(client: Client, ada: User) -> None:
    assert b"Please enter a correct" in client.post("/login/", {"username": "ada", "password": "no"}).content
    login = {"username": "ada", "password": "ada", "next": "/?unread=true"}
    assert client.post("/login/", login)["Location"] == "/?unread=true"
    assert client.get("/login/")["Location"] == "/"
    assert client.get("/logout/").status_code == 405
    assert client.post("/logout/")["Location"] == "/login/"
    elsewhere = {**login, "next": "https://evil.example/"}
    assert client.post("/login/", elsewhere)["Location"] == "/"


@pytest.mark.parametrize(("debug", "shown"), [(True, True), (False, False)])
def test_login__names_demo_users_that_exist__in_development_only(
    client: Client, ada: User, debug: bool, shown: bool
) -> None:
    with override_settings(DEBUG=debug):
        page = client.get("/login/").content
    assert (b"<code>ada</code>" in page) is shown
    assert b"grace" not in page


def test_home__lists_the_newest__in_a_bounded_number_of_queries(
    ada: User, browser_of_ada: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(30):
        send(ada, f"Order {number}.")
    browser_of_ada.get("/")
    # Session, user, inbox, list, counts.
    with django_assert_num_queries(5):
        answer = browser_of_ada.get("/")
    page = answer.content.decode()
    assert page.count('<li class="note"') == 25
    assert "Order 29." in page
    assert "Order 4." not in page
    assert (
        "Order 4." in browser_of_ada.get("/", {"before": answer.context["page"].next_before}).content.decode()
    )
    assert "no-store" in answer["Cache-Control"]


def test_home__of_a_user_without_an_inbox__is_empty(browser_of_ada: Client) -> None:
    assert "You are all caught up" in browser_of_ada.get("/").content.decode()


def test_home__shows_text_as_text(ada: User, browser_of_ada: Client) -> None:
    send(ada, "<script>alert(1)</script>", body="</details><b>", actor="<i>")
    page = browser_of_ada.get("/").content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "</details><b>" not in page


def test_home__shows_actions_as_links_and_forms_of_the_same_site(ada: User, browser_of_ada: Client) -> None:
    send(ada, actions=[PAY, {"label": "<b>Track", "url": "https://parcels.example/7"}])
    page = " ".join(browser_of_ada.get("/").content.decode().split())
    assert re.search(
        '<form method="post" action="/pay/7/"> <input type="hidden" name="csrfmiddlewaretoken"', page
    )
    assert '<a class="note-action" href="https://parcels.example/7" rel="noopener"' in page
    assert "<bdi>&lt;b&gt;Track</bdi>" in page
    Event.objects.update(actions='[{"label": "Pay", "url": "https://evil.example/", "method": "POST"}]')
    assert "evil.example" not in browser_of_ada.get("/").content.decode()


def test_home__filtered__shows_that_part(ada: User, browser_of_ada: Client) -> None:
    send(ada, "Order")
    read = send(ada, "Import", event=order_event(type_name="imports.file.done"))
    services.mark_read(ada, [read])
    shown = {
        query: [row.title for row in browser_of_ada.get(f"/?{query}").context["page"].rows]
        for query in ("", "unread=true", "category=imports", "category=imports&unread=true", "category=none")
    }
    assert shown == {
        "": ["Import", "Order"], "unread=true": ["Order"], "category=imports": ["Import"],
        "category=imports&unread=true": [], "category=none": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    "query", ["category=No%20Such", "before=x", "before=-1", f"before={10**30}", "unread=maybe", "category="]
)
def test_home__filters_that_cannot_be__count_as_not_given(
    ada: User, browser_of_ada: Client, query: str
) -> None:
    send(ada, "Order")
    assert len(browser_of_ada.get(f"/?{query}").context["page"].rows) == 1


def test_act__on_one__changes_that_one_and_goes_back_to_the_list(ada: User, browser_of_ada: Client) -> None:
    first, second = send(ada, "Order 1"), send(ada, "Order 2")
    with assert_converges(ada):
        answer = browser_of_ada.post("/inbox/read/?unread=true&category=orders", {"id": str(first)})
        assert answer["Location"] == "/?unread=true&category=orders"
        assert unread(ada) == 1
        browser_of_ada.post("/inbox/unread/", {"id": str(first)})
        assert unread(ada) == 2
        browser_of_ada.post("/inbox/delete/", {"id": str(second)})
    assert [row.title for row in selectors.list_page(ada.pk).rows] == ["Order 1"]
    last = Change.objects.filter(inbox_id=ada.pk).order_by("position").last()
    assert last is not None
    assert (last.kind, last.via, last.by) == ("deleted", Via.PAGE, "ada")


def test_act__read_all__stops_at_what_was_shown_and_at_its_category(
    ada: User, browser_of_ada: Client
) -> None:
    send(ada, "Order 1")
    send(ada, "Import", event=order_event(type_name="imports.file.done"))
    seen = services.open_inbox(ada.pk).head
    send(ada, "Order 2")
    browser_of_ada.post("/inbox/read_all/", {"up_to": seen, "category": "orders"})
    assert [row.title for row in selectors.list_page(ada.pk, unread_only=True).rows] == ["Order 2", "Import"]


def test_act__on_somebody_elses__changes_nothing(browser_of_ada: Client) -> None:
    grace = make_user("grace")
    hers = send(grace, "Hers")
    head = services.open_inbox(grace.pk).head
    for action in ("read", "delete"):
        assert browser_of_ada.post(f"/inbox/{action}/", {"id": str(hers)}).status_code == 302
    assert services.open_inbox(grace.pk).head == head


@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("read", {}),
        ("read", {"id": "x"}),
        ("delete", {"id": f"{uuid4()}0"}),
        ("read_all", {}),
        ("read_all", {"up_to": "-1"}),
        ("read_all", {"up_to": str(10**30)}),
        ("read_all", {"up_to": "1", "category": "No Such"}),
    ],
)
def test_act__with_fields_that_are_not_valid__is_refused_and_changes_nothing(
    ada: User, browser_of_ada: Client, action: str, fields: dict[str, str]
) -> None:
    send(ada, "Order")
    head = services.open_inbox(ada.pk).head
    assert browser_of_ada.post(f"/inbox/{action}/", fields).status_code == 400
    assert services.open_inbox(ada.pk).head == head


def test_act__by_get_or_for_nobody__does_nothing(ada: User, browser_of_ada: Client) -> None:
    public_id = send(ada, "Order")
    assert browser_of_ada.get("/inbox/read/", {"id": str(public_id)}).status_code == 405
    assert browser_of_ada.post("/inbox/explode/").status_code == 404
    assert Client().post("/inbox/read/", {"id": str(public_id)})["Location"] == "/login/"
    assert unread(ada) == 1


def test_act__without_its_csrf_token__is_refused(ada: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(ada)
    public_id = send(ada, "Order")
    answer = strict.post("/inbox/read/", {"id": str(public_id)})
    assert answer.status_code == 403
    assert "This form is too old" in answer.content.decode()
    assert unread(ada) == 1


def test_password__changed__keeps_this_session(ada: User, browser_of_ada: Client) -> None:
    fields = {
        "old_password": "ada",
        "new_password1": "a-long-new-phrase",
        "new_password2": "a-long-new-phrase",
    }
    answer = browser_of_ada.post("/account/password/", fields, follow=True)
    assert "Password changed" in answer.content.decode()
    assert browser_of_ada.get("/").status_code == 200


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError


def refused(request: HttpRequest) -> HttpResponse:
    raise BadRequest


urlpatterns: list[Any] = [
    path("broken", broken),
    path("refused", refused),
    path("", include("hub.urls")),
]


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("/none", 404, "Page not found"),
        ("/refused", 400, "This request could not be understood"),
        ("/broken", 500, "Something went wrong"),
    ],
)
@override_settings(ROOT_URLCONF=__name__, DEBUG=False)
def test_errors__have_a_page_that_leads_back(address: str, status: int, words: str) -> None:
    answer = Client(raise_request_exception=False).get(address)
    assert answer.status_code == status
    assert words in answer.content.decode()
    assert 'href="/"' in answer.content.decode()
