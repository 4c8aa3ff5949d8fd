"""Primary keys of users as parameters of statements: any number of them in one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.db import connection, connections
from django.db.models.expressions import RawSQL

from notifications.models import Inbox
from notifications.sql.dialect import is_postgresql


def key_rows(user_ids: Iterable[Any]) -> RawSQL:
    """Return a subquery of the users' keys, which takes them as one parameter.

    As parameters of their own each key would cost some 5 µs, and SQLite takes no more than 32,766.
    """
    keys = db_keys(user_ids)
    if is_postgresql():
        statement = f"SELECT unnest(%s::{Inbox._meta.pk.db_type(connection)}[])"
        return RawSQL(statement, [keys])  # noqa: S611 (no input)
    return RawSQL("SELECT value FROM json_each(%s)", [json.dumps(keys)])


def db_key(user_id: Any) -> Any:
    """Return a user's key as the database driver takes it."""
    return db_keys([user_id])[0]


def db_keys(user_ids: Iterable[Any]) -> list[Any]:
    """Return users' keys as the database driver takes them."""
    prepare, database = Inbox._meta.pk.get_db_prep_value, connections[connection.alias]
    return [prepare(user_id, database) for user_id in user_ids]
