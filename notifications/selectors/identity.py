"""Identifies the database, and derives the installation from it.

What is stored in a database is copied along with it, and its address differs behind a pooler or under another
name. So a database is identified by what its server knows of it, which is the same by whatever way it is
reached, and which no copy made by PostgreSQL's own tools has.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.core.signals import setting_changed
from django.db import ProgrammingError, connection
from django.dispatch import receiver

from notifications.conf import SETTING_NAME, hub_config
from notifications.models import Inbox
from notifications.sql.dialect import is_postgresql, table
from notifications.system.installation import Installation

# Two databases of one cluster have different oids, two schemas of one database different tables.
_IDENTITY: Final = """
    SELECT database.oid, database.datname, to_regclass(%s)::oid,
        has_function_privilege(to_regprocedure('pg_catalog.pg_control_system()'), 'EXECUTE')
    FROM pg_catalog.pg_database database WHERE database.datname = current_database()
"""


class DatabaseIdentity(NamedTuple):
    """The identity of a database.

    Attributes:
        text: the same in every process; no other database has it.
        is_certain: False where the role may not read the identifier of the cluster; then two clusters that
            were made by the same steps look the same.
    """

    text: str
    is_certain: bool = True


def installation() -> Installation:
    """Return the installation that this process belongs to.

    Two statements at the first call in a process, which may be made in any thread; none after that. A process
    that has lost its database before it could ask gets an error, rather than another answer than the others.

    Raises:
        DatabaseError: the database is unavailable, or has no tables of the hub yet; the next call asks again.
    """
    global _known
    known = _known
    if known is None:
        own_name = hub_config().installation
        identity = f"named:{own_name}" if own_name else database_identity().text
        known = Installation.derive(settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS, identity=identity)
        _known = known
    return known


def known_installation() -> Installation | None:
    """Return the installation if it is known already, else None. No statement, so event loops may call it."""
    return _known


def database_identity() -> DatabaseIdentity:
    """Return the identity of the database. Two statements at most.

    Raises:
        DatabaseError: the database is unavailable, or has no tables of the hub yet.
    """
    was_open = connection.connection is not None
    try:
        return _postgresql() if is_postgresql() else _file()
    finally:
        if not was_open:
            connection.close()  # a thread that needs the database for this alone holds no connection


def _postgresql() -> DatabaseIdentity:
    oid, name, table_id, may_ask = _row(_IDENTITY, [table(Inbox)])
    if table_id is None:
        raise ProgrammingError("the database has no tables of the hub yet; run: manage.py migrate")
    if not may_ask:
        return DatabaseIdentity(f"postgresql:{name}:{oid}:{table_id}", is_certain=False)
    (cluster,) = _row("SELECT system_identifier FROM pg_catalog.pg_control_system()")
    return DatabaseIdentity(f"postgresql:{cluster}:{oid}:{table_id}")


def _file() -> DatabaseIdentity:
    """Identify an SQLite database by its path, with every link resolved, and by its inode.

    In containers the same path may be another file.
    """
    _, _, name = _row("PRAGMA database_list")
    if not name:
        return DatabaseIdentity(f"sqlite:memory of process {os.getpid()}")
    path = Path(name).resolve()
    return DatabaseIdentity(f"sqlite:{path.stat().st_ino}:{path}")


def _row(statement: str, parameters: list[Any] | None = None) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone()


_known: Installation | None = None


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: Any) -> None:
    global _known
    if setting in (SETTING_NAME, "SECRET_KEY", "SECRET_KEY_FALLBACKS"):
        _known = None
