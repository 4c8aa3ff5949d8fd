"""Which database it is, and what its tables are called, is asked and spelled in one room."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.db import connection
from django.db.models.functions import Now

from notifications.models import Inbox, Notification
from notifications.sql import dialect

ROOT = Path(__file__).resolve().parents[2] / "notifications"
ELSEWHERE = [
    path for path in ROOT.rglob("*.py") if not {"sql", "migrations"} & set(path.relative_to(ROOT).parts)
]


@pytest.mark.parametrize(
    "spelling",
    [
        r"vendor [!=]= ",
        r"quote_name\(",
        r"_meta\.db_table\]",
        r"(FROM|JOIN|UPDATE|INTO) \"?notification_hub_(?!run_log)",  # the logs of runs have no models
    ],
    ids=["vendor", "quoting", "parameter", "table"],
)
def test_dialect__is_asked_instead_of_spelling_it_again(spelling: str) -> None:
    assert not [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in ELSEWHERE
        for line in path.read_text().splitlines()
        if re.search(spelling, line)
    ]


def test_is_postgresql__and_is_sqlite__are_about_the_threads_own_connection_and_any_other() -> None:
    assert (dialect.is_postgresql(), dialect.is_sqlite()) in [(True, False), (False, True)]
    assert dialect.is_postgresql() is dialect.is_postgresql(connection) is (connection.vendor == "postgresql")


def test_column__by_name__by_attribute__and_of_the_key() -> None:
    assert dialect.table(Notification) == '"notification_hub_notification"'
    assert dialect.column(Notification, "recipient") == '"recipient_id"'
    assert dialect.column(Notification, "recipient_id") == '"recipient_id"'
    assert dialect.column(Inbox, "pk") == '"user_id"'


@pytest.mark.django_db
def test_now__is_djangos__and_ago_is_before_it() -> None:
    expression, parameter = dialect.ago(60)
    text = str(Inbox.objects.annotate(at=Now()).query)
    assert dialect.now().replace("%%", "%") in text
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {expression} < {dialect.now()}", [parameter])
        assert cursor.fetchone()[0]
