"""Who acts from the admin, and what stays on record of it.

The provenance goes into the log of changes. Entries in the history of Django's admin say what staff did to
several rows, to the list, or to a job.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _

from notifications.models import Notification, Via
from notifications.services import Provenance
from notifications.system.addresses import normal_address


def log_changes(request: HttpRequest, rows: Iterable[Model], text: str) -> None:
    """One entry for each of some rows, with the same text. One query."""
    user_id: Any = request.user.pk
    LogEntry.objects.log_actions(user_id, cast("Any", list(rows)), CHANGE, text)


def log_list_change(request: HttpRequest, text: str) -> LogEntry:
    """One entry about the list of notifications as a whole. One query."""
    return LogEntry.objects.create(
        user=cast("Any", request.user),
        content_type=ContentType.objects.get_for_model(Notification),
        object_repr=_("notifications"),
        action_flag=CHANGE,
        change_message=text,
    )


def replace_text(entry: LogEntry, text: str) -> None:
    """Let an entry say something else. One query."""
    LogEntry.objects.filter(pk=entry.pk).update(change_message=text)


def changes_of(row: Model) -> QuerySet[LogEntry]:
    """List what staff did to a row since it was added, oldest first, with who did it."""
    entries = LogEntry.objects.filter(
        content_type__app_label=row._meta.app_label,
        content_type__model=row._meta.model_name,
        object_id=str(row.pk),
        action_flag=CHANGE,
    )
    return entries.select_related("user").order_by("action_time")


def provenance_of(request: HttpRequest) -> Provenance:
    """The member of staff, the admin as the door, and the peer's address."""
    address = normal_address(str(request.META.get("REMOTE_ADDR") or ""))
    return Provenance(by=username_of(request), via=Via.ADMIN, address=address)


def username_of(request: HttpRequest) -> str:
    """The username of the member of staff."""
    return str(request.user.get_username())
