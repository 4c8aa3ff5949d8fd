"""Queue and cancel the staff's replays of notifications; ``services.jobs.replayer`` runs them in chunks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from notifications import permissions
from notifications.exceptions import InvalidInput, NotFound
from notifications.inbox_log.provenance import Provenance
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
from notifications.selectors.staff.notification_list.criteria import Criteria
from notifications.selectors.staff.notification_list.meaning import conditions_of
from notifications.services.jobs import leases
from notifications.services.notify import recipient_key
from notifications.services.recipients import active_users, user_model_has

MAX_IDS: Final = 1_000  # in a selection by ids; criteria may select more
MAX_COPY_TO: Final = 100
_REDELIVERABLE_REASONS: Final = (Reason.USER, Reason.STAFF)

Rows = QuerySet[Notification]


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """The notifications to replay: by their public ids, or all that meet criteria of the staff's list.

    Attributes:
        ids: public ids; if there are any, the criteria mean nothing.
        criteria: if they are empty, all notifications are selected.
    """

    ids: Sequence[UUID] = ()
    criteria: Criteria = field(default_factory=Criteria)

    @classmethod
    def stored_in(cls, job: Replay) -> Selection:
        """Return the selection that is stored in a replay."""
        return cls(ids=[UUID(text) for text in job.ids], criteria=Criteria.from_parameters(job.filters))

    def rows(self, user: Any) -> Rows:
        """Return the notifications, in no order: those that the member of staff sees with these criteria.

        A few queries where there are criteria, none otherwise.

        Args:
            user: the member of staff who asks; they may not search in content that they may not see.

        Raises:
            BadCriteria: a criterion is impossible.
        """
        if self.ids:
            return Notification.objects.filter(public_id__in=self.ids)
        may_search = permissions.may_view_content(user)
        return conditions_of(self.criteria, may_search_content=may_search).check().matching()


def start_replay(
    verb: ReplayVerb | str,
    selection: Selection,
    *,
    reason: str,
    owner: Any,
    copy_to: Iterable[Any] = (),
    total_count: int,
    is_estimate: bool = False,
    provenance: Provenance,
) -> Replay:
    """Queue a replay.

    Transaction: it is part of the caller's transaction. Once that has committed, the processes that serve run
    it, in transactions of at most ``max_sequence_chunk`` notifications each; the first of them begins within
    ``sweep_seconds``.
    Guarantee: each notification is taken once, whatever is killed meanwhile; what is shown again may be lost,
    as it is stored nowhere. A notification that the verb does not apply to when it is reached is left
    out and counted.

    Args:
        verb: *show*: on open streams, nothing stored, only what is listed. *redeliver*: the old one is
            replaced by a new one that carries its id as ``replay_of``; also what its recipient or staff have
            deleted. *copy*: each event once to each user of ``copy_to`` who was not sent it.
        reason: why, for the record.
        owner: the member of staff; the replay ends when they lose the right.
        copy_to: saved users or their primary keys.
        total_count, is_estimate: the number of notifications, as far as it is known.
        provenance: who replays them, and by which way in; recorded with what is made.

    Raises:
        InvalidInput: one entry for each bad field.
    """
    keys = list(dict.fromkeys(map(recipient_key, copy_to)))
    if errors := _errors(verb, selection, reason, keys):
        raise InvalidInput(errors)
    newest = Notification.objects.order_by("-pk").values_list("pk", flat=True).first()
    return Replay.objects.create(
        verb=ReplayVerb(verb),
        reason=reason.strip(),
        by=provenance.by,
        owner_id=owner.pk,
        address=provenance.address,
        ids=[str(public_id) for public_id in selection.ids],
        filters=selection.criteria.as_parameters(),
        copy_to=[str(key) for key in keys],
        until_id=newest or 0,
        total_count=total_count,
        is_estimate=is_estimate,
    )


def replayable(verb: ReplayVerb | str, rows: Rows) -> Rows:
    """Return those of some notifications that a verb applies to now. No query.

    None of them is withdrawn, erased or expired. *show*: listed, and its recipient has a stream open.
    *redeliver*: listed, or deleted by its recipient or by staff; the recipient is active. *copy*: it was
    listed once.
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
            user_or_staff_deleted = Change.objects.filter(
                notification_id=OuterRef("pk"), kind=ChangeKind.DELETED, reason__in=_REDELIVERABLE_REASONS
            )
            rows = rows.filter(
                Notification.LISTED | Q(deleted_at__isnull=False) & Exists(user_or_staff_deleted)
            )
            return rows.filter(recipient__is_active=True) if user_model_has("is_active") else rows
        case ReplayVerb.COPY:
            return rows.filter(position__isnull=False)


class ReplayableCounts(NamedTuple):
    """The numbers of notifications that could be replayed now.

    Attributes:
        by_verb: how many of them each verb applies to.
        user_count: how many recipients they have.
    """

    by_verb: dict[str, int]
    user_count: int


def count_replayable(rows: Rows, *, limit: int) -> ReplayableCounts:
    """Count how many of some notifications each verb applies to. Five queries.

    Args:
        rows: the notifications.
        limit: the number of notifications that are looked at, at most.
    """
    keys = list(rows.order_by().values_list("pk", flat=True)[:limit])
    counted = Notification.objects.filter(pk__in=keys)
    by_verb = {verb.value: replayable(verb, counted).count() for verb in ReplayVerb}
    return ReplayableCounts(by_verb, counted.aggregate(users=Count("recipient_id", distinct=True))["users"])


def cancel_replay(replay_id: UUID) -> Replay:
    """End a replay where it is; what is done stays. A replay that has ended already stays as it is.

    Raises:
        NotFound: there is no replay of this id.
    """
    leases.end_jobs(Replay.objects.all(), [replay_id], JobState.CANCELLED)
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
