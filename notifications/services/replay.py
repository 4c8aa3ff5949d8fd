"""The staff's verb on what was sent before: what is asked for here is done by ``services.jobs.replayer``, a
chunk at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from notifications.exceptions import InvalidInput, NotFound
from notifications.inbox_log.provenance import Origin
from notifications.models import (
    MAX_REASON_LENGTH,
    Change,
    ChangeKind,
    JobState,
    Notification,
    Reason,
    Replay,
    ReplayVerb,
    StreamSession,
)
from notifications.protocol import strict_json
from notifications.selectors import is_worker_alive
from notifications.services.jobs import leases
from notifications.services.notify import recipient_key
from notifications.services.recipients import active_users, user_model_has

MAX_IDS: Final = 1_000  # named one by one; more by a filter
MAX_COPY_TO: Final = 100
_BROUGHT_BACK: Final = (Reason.USER, Reason.STAFF)

Rows = QuerySet[Notification]
# A filter of the staff's list, and the member of staff who set it: what they see is what is replayed.
FilterReader = Callable[[Mapping[str, str], Any], Rows]

_reader: FilterReader | None = None


def read_filters_with(reader: FilterReader) -> None:
    """Say what the filters of the staff's list mean. The list, a layer above, does so when it is loaded."""
    global _reader
    _reader = reader


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Which notifications: some by their public ids, or all that a filter admits.

    Attributes:
        ids: public ids; then the filter means nothing.
        filters: parameters of the staff's list.
    """

    ids: Sequence[UUID] = ()
    filters: Mapping[str, str] = field(default_factory=dict)

    def rows(self, user: Any) -> Rows:
        """Them, in no order. No query.

        Args:
            user: the member of staff who asks.
        """
        if self.ids:
            return Notification.objects.filter(public_id__in=self.ids)
        if _reader is None:
            raise RuntimeError("Nobody has said what the filters mean: the admin is not installed.")
        return _reader(self.filters, user)


def start_replay(
    verb: ReplayVerb | str,
    selection: Selection,
    *,
    reason: str,
    owner: Any,
    copy_to: Iterable[Any] = (),
    total_count: int,
    is_estimate: bool = False,
    origin: Origin,
) -> Replay:
    """Queue a replay.

    Transaction: it is part of the caller's transaction. Once that has committed, the processes that serve do
    it, in transactions of at most ``max_sequence_chunk`` notifications each; the first of them begins within
    ``sweep_seconds``.
    Guarantee: each notification is taken once, whatever is killed meanwhile; what is shown again may be lost,
    as it is stored nowhere. What the verb does not fit, when its turn comes, is left out and counted.

    Args:
        verb: *show*: on open streams, nothing stored, only what is listed. *redeliver*: the old one is
            replaced by a new one that carries its id as ``replay_of``; also what its recipient or staff have
            deleted. *copy*: each event once to each user of ``copy_to`` who was not sent it.
        reason: why, for the record.
        owner: the member of staff; the replay ends when they lose the right.
        copy_to: saved users or their primary keys.
        total_count, is_estimate: how many notifications that is, as far as is known.
        origin: by whom and by which door; what is made says so.

    Raises:
        InvalidInput: one entry for each bad field.
    """
    keys = list(dict.fromkeys(map(recipient_key, copy_to)))
    if errors := _errors(verb, selection, reason, keys):
        raise InvalidInput(errors)
    newest = Notification.objects.order_by("-pk").values_list("pk", flat=True).first()
    job = Replay(
        verb=ReplayVerb(verb),
        reason=reason.strip(),
        by=origin.by,
        owner_id=owner.pk,
        address=origin.address,
        ids=[str(public_id) for public_id in selection.ids],
        filters=dict(selection.filters),
        copy_to=[str(key) for key in keys],
        until_id=newest or 0,
        total_count=total_count,
        is_estimate=is_estimate,
    )
    job.save(force_insert=True)
    return job


def fitting(verb: ReplayVerb | str, rows: Rows) -> Rows:
    """Those of some notifications that a verb fits now. No query.

    Nothing is withdrawn, erased or expired. *show*: listed, and its recipient has a stream open. *redeliver*:
    listed, or deleted by its recipient or by staff; the recipient is active. *copy*: it was listed once.
    """
    now = timezone.now()
    rows = rows.filter(
        Q(event__expires_at__isnull=True) | Q(event__expires_at__gt=now), event__withdrawn_at__isnull=True
    ).exclude(event__title="")
    match ReplayVerb(verb):
        case ReplayVerb.SHOW:
            streams = StreamSession.objects.filter(StreamSession.OPEN, is_worker_alive())
            return rows.filter(Notification.LISTED, Exists(streams.filter(user_id=OuterRef("recipient_id"))))
        case ReplayVerb.REDELIVER:
            brought_back = Change.objects.filter(
                notification_id=OuterRef("pk"), kind=ChangeKind.DELETED, reason__in=_BROUGHT_BACK
            )
            rows = rows.filter(Notification.LISTED | Q(deleted_at__isnull=False) & Exists(brought_back))
            return rows.filter(recipient__is_active=True) if user_model_has("is_active") else rows
        case ReplayVerb.COPY:
            return rows.filter(position__isnull=False)


def cancel_replay(replay_id: UUID) -> Replay:
    """End a replay where it is; what is done stays so. One that has ended already stays as it is.

    Raises:
        NotFound: there is none of this id.
    """
    leases.end(Replay.objects.all(), [replay_id], JobState.CANCELLED)
    job = Replay.objects.filter(pk=replay_id).first()
    if job is None:
        raise NotFound("There is no such replay.")
    return job


def _errors(verb: str, selection: Selection, reason: str, copy_to: Collection[Any]) -> dict[str, str]:
    errors: dict[str, str] = {}
    if verb not in ReplayVerb:
        errors["verb"] = f"must be one of {', '.join(ReplayVerb)}"
    if len(selection.ids) > MAX_IDS:
        errors["ids"] = f"are {len(selection.ids)}; at most {MAX_IDS} are allowed, more by a filter"
    if not reason.strip():
        errors["reason"] = "must not be empty"
    elif len(reason) > MAX_REASON_LENGTH:
        errors["reason"] = f"has {len(reason)} characters; at most {MAX_REASON_LENGTH} are allowed"
    else:
        try:
            strict_json.check_text(reason, field="reason")
        except InvalidInput as error:
            errors.update(error.errors)
    if bool(copy_to) != (verb == ReplayVerb.COPY):
        errors["copy_to"] = "goes with copying, which needs at least one user"
    elif len(copy_to) > MAX_COPY_TO:
        errors["copy_to"] = f"are {len(copy_to)} users; at most {MAX_COPY_TO} are allowed"
    elif copy_to and active_users().filter(pk__in=copy_to).count() < len(copy_to):
        errors["copy_to"] = "must be active users"
    return errors
