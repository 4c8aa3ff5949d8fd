"""`notify()` on SQLite: prints the milliseconds of CPU of one, and of its bare SQL.

    python -m benchmarks.sqlite_notify ROUNDS

`DATABASE_URL` names a database that need not exist.
"""

from __future__ import annotations

import sqlite3
import sys
import time

import django


def main(rounds: int) -> None:
    """Measure."""
    django.setup()
    # Django must be set up before anything of the app is imported.
    from django.core.management import call_command
    from django.db import connection

    from benchmarks import bare_sql
    from benchmarks.people import people
    from benchmarks.scenarios.notifying import in_turns, send
    from notifications import services

    call_command("migrate", verbosity=0)
    ada, bob = people(2)
    services.open_inbox(bob.pk)
    bare = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None, timeout=10)
    bare.execute("PRAGMA synchronous=NORMAL")
    cursor = bare.cursor()
    print(
        *in_turns(
            rounds,
            lambda: send(ada.pk),
            lambda: bare_sql.notify(cursor, bob.pk, begin="BEGIN IMMEDIATE", locks=False, placeholder="?"),
            clock=time.process_time,
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
