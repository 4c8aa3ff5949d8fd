"""Django's database sessions, read by a statement that is compiled once, because most requests need it.

``SESSION_ENGINE = "notifications.contrib.security.sessions"``; the rows are those of
``django.contrib.sessions.backends.db``.
"""

from __future__ import annotations

from typing import Any, Final

from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.utils import timezone

from notifications.sql.prepared import Prepared, Slot


class SessionStore(db.SessionStore):
    """A session in the database."""

    def _get_session_from_db(self) -> Session | None:
        row = _SESSION.first(key=self.session_key, now=timezone.now())
        if row is None:
            self._session_key: str | None = None
            return None
        return Session(session_key=self.session_key or "", session_data=row[0], expire_date=row[1])


def _session() -> QuerySet[Session, Any]:
    fields = Session._meta
    return Session.objects.filter(
        session_key=Slot("key", fields.get_field("session_key")),
        expire_date__gt=Slot("now", fields.get_field("expire_date")),
    ).values_list("session_data", "expire_date")


_SESSION: Final = Prepared(_session)
