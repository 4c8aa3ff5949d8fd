"""``q``: the words of title and body, the same on both databases."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from notifications import services
from notifications.protocol.search_words import MAX_SEARCH_LENGTH, MAX_WORDS, WORD_CHARACTERS
from tests.helpers.api import Api
from tests.helpers.factories import make_user, order_event, send

pytestmark = pytest.mark.django_db(transaction=True)

TEXTS = {
    "shipped": ("Your order 1042 is on its way", "DHL brings it on Monday."),
    "paid": ("Order 1043: paid", ("Thank you, O’Hara! Mail ann.lee@example.com or see "
                                 "https://hub.example/orders/1043/")),
    "french": ("Votre École", "l’été — naïve, « déjà-vu »"),
    "german": ("GRÜSSE aus ÖSTERREICH", "Straße_des_17. Juni"),
    "asian": ("東京 テスト。終わり", "हिन्दी भाषा"),
    "odd": ("100% & <b>'quoted\"</b> \\ * |", "v1.2.3-rc4 a_b c|d 🎉party🎉"),
    "empty": ("…", ""),
}  # fmt: skip


@pytest.fixture
def texts(ada: User) -> dict[str, str]:
    """The names of the notifications by their ids."""
    return {str(send(ada, title, body=body)): name for name, (title, body) in TEXTS.items()}


def found(api: Api, texts: dict[str, str], q: str) -> set[str]:
    answer = api.get(params={"q": q})
    assert answer.status == 200
    return {texts[item["id"]] for item in answer.json["results"]}


CASES = [
    # Whole words, in any order and either case, in the title or in the body.
    ("order", "shipped paid"), ("ORDER oRdEr", "shipped paid"), ("way order", "shipped"),
    ("monday", "shipped"), ("order monday", "shipped"), ("order party", ""), ("ord", ""), ("orders", "paid"),
    ("1042", "shipped"), ("104", ""), ("nothing", ""),
    # What is no letter and no digit separates words, here and there.
    ("order-1043", "paid"), ("(Hara)", "paid"), ("o'hara", "paid"), ("ann", "paid"),
    ("ann.lee@example.com", "paid"), ("example", "paid"), ("/orders/", "paid"), ("hub.example", "paid"),
    ("17", "german"), ("rc4", "odd"), ("2", "odd"), ("a_b", "odd"), ("party", "odd"), ("b", "odd"),
    ("vu", "french"), ("l'été", "french"), ("100%", "odd"),
    # Accents count; case does not, beyond ASCII too.
    ("école", "french"), ("ÉCOLE", "french"), ("École", "french"), ("ecole", ""), ("naïve", "french"),
    ("déjà", "french"), ("grüsse", "german"), ("Grüsse", "german"), ("österreich", "german"),
    ("straße", "german"), ("des", "german"), ("東京", "asian"), ("東", ""), ("終わり", "asian"),
    ("हिन्दी", "asian"), ("हिन", ""),
    # No operators.
    ("order & paid", "paid"), ("order | party", ""), ("!order", "shipped paid"), ("-order", "shipped paid"),
    ("order:*", "shipped paid"), ("ord*", ""), ("ord%", ""), ("_rder", ""), ("'order'", "shipped paid"),
    ("<b>", "odd"), ('"order way"', "shipped"), ("order <-> way", "shipped"), ("quoted\\", "odd"),
    ("'); DROP TABLE x; --", ""),
    ("$$simple$$", ""), ("%s", ""), ("%(q)s", ""), ("[a-z]+", ""), ("(?i)(", ""), (".*", ""), ("\\", ""),
    ("|", ""), ("…", ""), ("🎉", ""), ("\u200b", ""), ("\ufffd", ""),
]  # fmt: skip


def test_q__finds_what_has_each_of_its_words(api: Api, texts: dict[str, str]) -> None:
    answers = {q: " ".join(name for name in TEXTS if name in found(api, texts, q)) for q, _ in CASES}
    assert answers == dict(CASES)


def test_q__blank__is_no_search(api: Api, texts: dict[str, str]) -> None:
    for q in ("", "   ", "\t\n", "\u3000"):
        assert found(api, texts, q) == set(TEXTS)


def test_q__too_long_or_impossible__is_refused_by_name(api: Api) -> None:
    too_many = " ".join(map(str, range(MAX_WORDS + 1)))
    for q in ("a" * (MAX_SEARCH_LENGTH + 1), "é" * 10_000, "'" * 10_000, " " * 10_000, "a\0", "\0", too_many):
        answer = api.get(params={"q": q})
        assert (answer.status, answer.code) == (400, "invalid")
        assert set(answer.problem["errors"]) <= {"q", "query"}


def test_q__at_its_limits__is_answered(api: Api, texts: dict[str, str]) -> None:
    assert found(api, texts, "x" * MAX_SEARCH_LENGTH) == set()
    assert found(api, texts, " ".join(f"é{number}" for number in range(MAX_WORDS))) == set()


def test_text__of_any_kind__is_taken_and_its_title_found(api: Api, ada: User) -> None:
    bodies = ("a" * 10_000, "a " * 5_000, "é" * 10_000, "\u0301" * 500, "<" * 10_000)
    ids = [str(send(ada, "findable", body=body)) for body in bodies]
    results = api.get(params={"q": "FINDABLE"}).json["results"]
    assert [item["id"] for item in results] == ids[::-1]


def test_q__goes_with_filters_unread_pages_and_etag(api: Api, ada: User) -> None:
    ids = [send(ada, f"parcel {number}") for number in range(5)]
    other = send(ada, "parcel", event=order_event(type_name="imports.run.finished"))
    send(ada, "letter")
    services.mark_read(ada, ids[:1])
    services.delete(ada, ids[1:2])
    wanted = [str(public_id) for public_id in reversed(ids[2:])]
    seen: list[str] = []
    url: str | None = "/api/v1/notifications?q=Parcel&category=orders&unread=true&limit=2"
    while url:
        page = api.get(url)
        seen += [item["id"] for item in page.json["results"]]
        url = page.json["next"]
        # Cursor, count and so the ETag are the whole inbox's.
        assert page.json["unread_count"] == 5
        assert page.headers["ETag"] == f'"{page.json["cursor"]}"'
    assert seen == wanted
    assert api.get(params={"q": "parcel imports"}).json["results"] == []
    assert [
        item["id"] for item in api.get(params={"q": "parcel", "category": "imports"}).json["results"]
    ] == [str(other)]
    etag = api.get(params={"q": "parcel"}).headers["ETag"]
    assert api.get(params={"q": "parcel"}, If_None_Match=etag).status == 304
    send(ada, "letter")
    assert api.get(params={"q": "parcel"}, If_None_Match=etag).status == 200


def test_q__of_others_staged_and_deleted__finds_none(api: Api, ada: User) -> None:
    send(make_user(), "secret")
    services.delete(ada, [send(ada, "secret")])
    assert api.get(params={"q": "secret"}).json["results"] == []


def test_q__asks_the_database_no_more_often(api: Api, ada: User, django_assert_num_queries: Any) -> None:
    send(ada)
    with django_assert_num_queries(4):  # the session, its user, the inbox, the list
        assert api.get(params={"q": "order way"}).json["results"]


def test_migration__holds_the_same_characters__and_does_nothing_on_sqlite() -> None:
    loader = MigrationExecutor(connection).loader
    migration = loader.disk_migrations[("notification_hub", "0001_initial")]
    module = __import__(migration.__module__, fromlist=["WORD_CHARACTERS"])
    assert module.WORD_CHARACTERS == WORD_CHARACTERS
    with connection.cursor() as cursor:
        columns = {
            column.name
            for column in connection.introspection.get_table_description(cursor, "notification_hub_event")
        }
    assert ("search_words" in columns) is (connection.vendor == "postgresql")
