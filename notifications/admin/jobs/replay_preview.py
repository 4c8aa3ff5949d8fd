"""Which notifications a replay would take, how many, and how many of them each verb fits: before anything is
sent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from django.db import connection
from django.db.models import Count, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from notifications.admin.jobs.job_admin import number
from notifications.admin.links import name_of, title_of
from notifications.admin.notification_list.states import State, state_of
from notifications.models import Notification, ReplayVerb
from notifications.services.replay import Selection, fitting

# Up to here everything is counted exactly; beyond it PostgreSQL is asked for its estimate.
MAX_COUNT: Final = 10_000
SHOWN: Final = 5


class Shown(NamedTuple):
    """One of the first."""

    notification: Notification
    state: State
    title: str
    username: str


@dataclass(frozen=True, slots=True)
class Total:
    """How many there are.

    Attributes:
        count: exactly, or about so many.
        is_estimate: it is not exact.
        is_more: there are more than this, and nobody knows how many.
    """

    count: int
    is_estimate: bool
    is_more: bool = False

    def __str__(self) -> str:
        if self.is_more:
            return _("more than %s") % number(self.count)
        return _("about %s") % number(self.count) if self.is_estimate else number(self.count)

    @property
    def words(self) -> str:
        """With the noun."""
        noun = ngettext("notification", "notifications", self.count)
        return f"{self} {noun}"


class Preview(NamedTuple):
    """What the page shows.

    Attributes:
        total: of the selection.
        fits: how many each verb fits; None when there are too many to look at each.
        user_count: recipients of the selection, as far as they were counted.
        shown: the newest of them.
    """

    total: Total
    fits: dict[str, int] | None
    user_count: int | None
    shown: list[Shown]


def preview(selection: Selection, user: Any) -> Preview:
    """Look at a selection. Seven queries at most, each over no more than ``MAX_COUNT`` rows."""
    rows = selection.rows(user).order_by()
    total = count_rows(rows)
    shown = newest_of(rows)
    if total.is_estimate:
        return Preview(total, None, None, shown)
    keys = rows.values("pk")[:MAX_COUNT]
    counted = Notification.objects.filter(pk__in=list(keys.values_list("pk", flat=True)))
    fits = {verb.value: fitting(verb, counted).count() for verb in ReplayVerb}
    user_count = counted.aggregate(users=Count("recipient_id", distinct=True))["users"]
    return Preview(total, fits, user_count, shown)


def newest_of(rows: QuerySet[Notification]) -> list[Shown]:
    """The newest of some notifications, to show which they are. One query."""
    newest = rows.select_related("recipient", "event").defer("event__body", "event__data").order_by("-pk")
    now = timezone.now()
    return [
        Shown(row, state_of(row, now), title_of(row.event), name_of(row.recipient)) for row in newest[:SHOWN]
    ]


def count_rows(rows: QuerySet[Notification]) -> Total:
    """How many rows that is: exactly as far as ``MAX_COUNT``, else as PostgreSQL estimates. Two queries at
    most.
    """
    counted = rows.order_by()[: MAX_COUNT + 1].count()
    if counted <= MAX_COUNT:
        return Total(counted, is_estimate=False)
    if connection.vendor == "postgresql":
        plan = json.loads(rows.order_by().explain(format="json"))
        return Total(max(int(plan[0]["Plan"]["Plan Rows"]), counted), is_estimate=True)
    return Total(MAX_COUNT, is_estimate=True, is_more=True)
