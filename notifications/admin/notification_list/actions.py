"""What staff do to notifications in their recipients' inboxes.

It goes through the services, one recipient at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected as confirm_deletion
from django.db import OperationalError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from notifications import services
from notifications.admin.history import provenance_of
from notifications.admin.links import replay_url, withdraw_url
from notifications.exceptions import NotFound
from notifications.models import Notification, Reason
from notifications.selectors.staff.counts import count_failed
from notifications.services import Outcome

MAX_SELECTED: Final = 1_000

Verb = Callable[..., Outcome]
delete_by_staff: Final[Verb] = partial(services.delete, reason=Reason.STAFF)


class ActionResult:
    """Counts of what an action did to a selection, over all its recipients."""

    def __init__(self) -> None:
        self.changed = 0
        self.unchanged = 0
        self.not_listed = 0
        self.busy = 0


def apply_to_each_inbox(request: HttpRequest, verb: Verb, rows: Iterable[tuple[Any, UUID]]) -> ActionResult:
    """Do one thing to notifications of any number of recipients.

    Each recipient's inbox is a transaction of its own.

    Args:
        verb: ``services.mark_read`` and the like.
        rows: recipient and public id.
    """
    by_recipient: dict[Any, list[UUID]] = {}
    for recipient_id, public_id in rows:
        by_recipient.setdefault(recipient_id, []).append(public_id)
    result = ActionResult()
    for recipient_id, ids in by_recipient.items():
        try:
            outcome = verb(recipient_id, ids, provenance=provenance_of(request))
        except OperationalError:
            # Somebody holds this inbox for longer than lock_timeout_seconds; the others need not suffer.
            result.busy += len(ids)
            continue
        except NotFound:
            result.not_listed += len(ids)
            continue
        result.changed += outcome.changed
        result.not_listed += len(outcome.not_found)
        result.unchanged += len(ids) - outcome.changed - len(outcome.not_found)
    return result


def report_result(request: HttpRequest, result: ActionResult, *, done: str, already: str) -> None:
    """Tell the member of staff what came of it, in as many sentences as there is to say."""
    if result.changed:
        messages.success(request, done)
    if result.unchanged:
        messages.info(request, already)
    report_not_listed(request, result.not_listed)
    if result.busy:
        text = ngettext(
            "%d notification was not changed, because its inbox is busy. Try again in a moment.",
            "%d notifications were not changed, because their inboxes are busy. Try again in a moment.",
            result.busy,
        )
        messages.error(request, text % result.busy)


def report_not_listed(request: HttpRequest, count: int) -> None:
    """Say of how many nothing was done, because their recipients do not have them in their lists."""
    if count:
        text = ngettext(
            "%d notification was not changed, because it is not in its recipient’s list "
            "(queued, failed or deleted).",
            "%d notifications were not changed, because they are not in their recipients’ "
            "lists (queued, failed or deleted).",
            count,
        )
        messages.warning(request, text % count)


def selected_rows(request: HttpRequest, queryset: QuerySet[Notification]) -> list[tuple[Any, UUID]] | None:
    """Recipients and ids of a selection; None, with a message, when it is too large."""
    rows = queryset.order_by("pk").values_list("recipient_id", "public_id")[: MAX_SELECTED + 1]
    found = [(recipient_id, public_id) for recipient_id, public_id in rows]
    if len(found) <= MAX_SELECTED:
        return found
    messages.error(
        request,
        _("At most %d notifications can be changed at once; nothing was changed. Narrow the list first.")
        % MAX_SELECTED,
    )
    return None


@admin.action(
    permissions=["change"], description=gettext_lazy("Mark selected %(verbose_name_plural)s as read")
)
def mark_selected_read(model_admin: Any, request: HttpRequest, queryset: QuerySet[Notification]) -> None:
    """Mark a selection read."""
    if (rows := selected_rows(request, queryset)) is None:
        return
    result = apply_to_each_inbox(request, services.mark_read, rows)
    done = ngettext(
        "%d notification was marked as read.", "%d notifications were marked as read.", result.changed
    )
    already = ngettext("%d was already read.", "%d were already read.", result.unchanged)
    report_result(request, result, done=done % result.changed, already=already % result.unchanged)


@admin.action(
    permissions=["change"], description=gettext_lazy("Mark selected %(verbose_name_plural)s as unread")
)
def mark_selected_unread(model_admin: Any, request: HttpRequest, queryset: QuerySet[Notification]) -> None:
    """Mark a selection unread."""
    if (rows := selected_rows(request, queryset)) is None:
        return
    result = apply_to_each_inbox(request, services.mark_unread, rows)
    done = ngettext(
        "%d notification was marked as unread.", "%d notifications were marked as unread.", result.changed
    )
    already = ngettext("%d was already unread.", "%d were already unread.", result.unchanged)
    report_result(request, result, done=done % result.changed, already=already % result.unchanged)


@admin.action(permissions=["replay"], description=gettext_lazy("Replay selected %(verbose_name_plural)s…"))
def replay_selected(
    model_admin: Any, request: HttpRequest, queryset: QuerySet[Notification]
) -> HttpResponseBase | None:
    """Ask what to replay of a selection; nothing is sent yet."""
    if not (rows := selected_rows(request, queryset)):
        return None
    return HttpResponseRedirect(replay_url(public_id for _recipient_id, public_id in rows))


@admin.action(permissions=["compose"], description=gettext_lazy("Withdraw selected %(verbose_name_plural)s…"))
def withdraw_selected(
    model_admin: Any, request: HttpRequest, queryset: QuerySet[Notification]
) -> HttpResponseBase | None:
    """Ask whether to take a selection back from everybody; nothing is withdrawn yet."""
    if not (rows := selected_rows(request, queryset)):
        return None
    return HttpResponseRedirect(withdraw_url(public_id for _recipient_id, public_id in rows))


@admin.action(
    permissions=["compose"], description=gettext_lazy("Retry selected failed %(verbose_name_plural)s")
)
def retry_selected(model_admin: Any, request: HttpRequest, queryset: QuerySet[Notification]) -> None:
    """Let the sequencer try those again that it has marked failed; the others are left alone."""
    if (rows := selected_rows(request, queryset)) is None:
        return
    ids = [public_id for _recipient_id, public_id in rows]
    count = services.retry_failed(ids)
    still = count_failed(ids) if count else 0
    if count > still:
        listed = ngettext(
            "%d notification was added to its inbox.",
            "%d notifications were added to their inboxes.",
            count - still,
        )
        messages.success(request, listed % (count - still))
    if still:
        failing = ngettext("%d still fails; its page says why.", "%d still fail; their pages say why.", still)
        messages.error(request, failing % still)
    if not count:
        messages.info(request, _("None of the selected notifications had failed."))


@admin.action(permissions=["delete"], description=gettext_lazy("Delete selected %(verbose_name_plural)s"))
def delete_selected(
    model_admin: Any, request: HttpRequest, queryset: QuerySet[Notification]
) -> HttpResponseBase | None:
    """Delete a selection, after Django's own page has asked.

    Notifications that are not listed are left out of the question, because they could not be deleted.
    """
    if (rows := selected_rows(request, queryset)) is None:
        return None
    if not request.POST.get("post"):
        listed = queryset.filter(Notification.LISTED)
        count = listed.count()
        report_not_listed(request, len(rows) - count)
        return confirm_deletion(model_admin, request, listed) if count else None
    result = apply_to_each_inbox(request, delete_by_staff, rows)
    done = ngettext("%d notification was deleted.", "%d notifications were deleted.", result.changed)
    report_result(request, result, done=done % result.changed, already="")
    return None
