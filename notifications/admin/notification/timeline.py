"""The story of one notification: its changes, with what came before them and what is still to come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from django.utils.translation import gettext as _

from notifications.admin.links import name_of, notification_url, replay_job_url
from notifications.http.user_agents import describe_agent
from notifications.models import Change, ChangeKind, EndReason, Inbox, Notification, Replay, ReplayVerb
from notifications.protocol.cursors import Cursor
from notifications.protocol.local_times import local_time
from notifications.selectors.staff.notification.changes import changes_of
from notifications.selectors.staff.notification.deliveries import Deliveries, Delivery, deliveries_of
from notifications.selectors.staff.notification.replay_traces import Source, Trace, source_of, traces_of
from notifications.selectors.staff.states import State

MAX_MADE_SHOWN: Final = 8


class Fact(NamedTuple):
    """A named detail of an entry, which may lead somewhere."""

    name: str
    text: str
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class TimelineEntry:
    """One point of the timeline.

    Attributes:
        kind: for its looks: a ``ChangeKind``, ``staged``, ``written``, ``replayed``, ``failed``, ``pending``
            or ``gap``.
        title: what happened, in words.
        at: when; None for what has no time yet.
        change: the change that it stands for, if it is one.
        cursor: the change's cursor.
        delivery: to whom it was written, if it was.
        device: the client that it was written to, in words.
        written_by: as what it was written: by a stream, a poll or a list, in words.
        token: the name of the token that the client had, if it had one.
        note: a sentence more.
        facts: details that neither the change nor the delivery has.
    """

    kind: str
    title: str
    at: datetime | None = None
    change: Change | None = None
    cursor: Cursor | None = None
    delivery: Delivery | None = None
    device: str = ""
    written_by: str = ""
    token: str = ""
    note: str = ""
    facts: Sequence[Fact] = ()


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """The entries, oldest first.

    Attributes:
        entries: what happened and will happen.
        deliveries: to whom it was written; those that are shown are among the entries.
        sources, successors: of what it was made, and what was made of it; for those who look no further than
            the facts.
    """

    entries: list[TimelineEntry] = field(default_factory=list)
    deliveries: Deliveries = field(default_factory=Deliveries)
    sources: Sequence[Fact] = ()
    successors: Sequence[Fact] = ()

    @property
    def deletion(self) -> Change | None:
        """The deleted change, if there is one."""
        changes = (entry.change for entry in self.entries if entry.change)
        return next((change for change in changes if change.kind == ChangeKind.DELETED), None)


def build_timeline(
    notification: Notification, state: State, inbox: Inbox | None, *, may_replay: bool = False
) -> Timeline:
    """The timeline of a notification. Eleven queries at most, whatever its history.

    Args:
        notification: with its event.
        state: its state now.
        inbox: its recipient's inbox; None when nothing has touched it yet.
        may_replay: whether the pages of replays are linked.
    """
    changes, left_out = changes_of(notification)
    epoch = inbox.epoch if inbox else ""
    deliveries = deliveries_of(notification, inbox)
    source, traces = source_of(notification), traces_of(notification)
    replayed = [_replayed(trace, may_replay=may_replay) for trace in traces]
    story = [_entry(change, epoch) for change in changes]
    # The changes are in order already, and one comes before what was written of it at the same time.
    story = sorted(
        [*story, *map(_written, deliveries.shown), *replayed],
        key=lambda entry: entry.at or notification.staged_at,
    )
    if left_out:
        gap = _("Older changes are not shown here. The inbox’s log has them all.")
        story.insert(0, TimelineEntry(kind="gap", title=gap))
    staged = _staged(notification, source, may_replay=may_replay)
    return Timeline(
        entries=[staged, *story, *_still_to_come(notification, state)],
        deliveries=deliveries,
        sources=_source_facts(source) if source else (),
        successors=[fact for trace in traces for fact in _made(trace) if trace.verb is ReplayVerb.REDELIVER],
    )


def _written(delivery: Delivery) -> TimelineEntry:
    record = delivery.record
    device = describe_agent(record.agent) or record.agent or _("an unknown client")
    names = {EndReason.ANSWERED.value: _("poll"), EndReason.LISTED.value: _("list")}
    return TimelineEntry(
        kind="written",
        title=_("Written to %s") % device,
        at=delivery.written_at,
        delivery=delivery,
        device=device,
        written_by=names.get(record.reason, _("stream")),
        token=(delivery.token_name or _("a deleted token")) if record.token_id else "",
    )


def _staged(notification: Notification, source: Source | None, *, may_replay: bool) -> TimelineEntry:
    event = notification.event
    notes: list[str] = []
    if source:
        sender = _("by %s") % event.source if event.source else ""
        first = {"by": sender, "at": _clock(event.created_at)}
        notes.append(" ".join((_("The content was first sent %(by)s at %(at)s.") % first).split()))
    elif event.source:
        notes.append(_("Sent by %s.") % event.source)
    if notification.deliver_at:
        notes.append(_("To be delivered at %s.") % _clock(notification.deliver_at))
    return TimelineEntry(
        kind="staged",
        title=_("Queued"),
        at=notification.staged_at,
        note=" ".join(notes),
        facts=[*_source_facts(source), *_by(source.job, may_replay=may_replay)] if source else (),
    )


def _replayed(trace: Trace, *, may_replay: bool) -> TimelineEntry:
    title, note = {
        ReplayVerb.SHOW: (
            _("Shown again"),
            _("It was sent to the recipient’s open pages. There is no record of whether anybody saw it."),
        ),
        ReplayVerb.REDELIVER: (
            _("Re-delivered"),
            _("A new notification replaces it, unread and at the top."),
        ),
        ReplayVerb.COPY: (_("Copied to others"), ""),
    }[trace.verb]
    return TimelineEntry(
        kind="replayed",
        title=title,
        at=trace.at,
        note=note,
        facts=[*_made(trace), *_by(trace.job, may_replay=may_replay)],
    )


def _made(trace: Trace) -> list[Fact]:
    """List what came of a replay, as far as ``MAX_MADE_SHOWN``."""
    shown = trace.made[:MAX_MADE_SHOWN]
    if trace.verb is ReplayVerb.REDELIVER:
        return [
            Fact(_("New notification"), str(one.public_id), notification_url(one.public_id)) for one in shown
        ]
    facts = [Fact(_("To"), name_of(one.recipient), notification_url(one.public_id)) for one in shown]
    if more := len(trace.made) - len(shown):
        facts.append(Fact(_("To"), _("and %d more") % more))
    return facts


def _source_facts(source: Source) -> list[Fact]:
    """Say of which notification it was made, and whose that was."""
    name = _("Copy of") if source.verb is ReplayVerb.COPY else _("Replay of")
    if source.original is None:
        return [Fact(name, _("a notification that no longer exists"))]
    text = str(source.original.public_id)
    if source.verb is ReplayVerb.COPY:
        text = _("%(id)s, sent to %(user)s") % {"id": text, "user": name_of(source.original.recipient)}
    return [Fact(name, text, notification_url(source.original.public_id))]


def _by(job: Replay | None, *, may_replay: bool) -> list[Fact]:
    """Say who replayed it, and why."""
    if job is None:
        return []
    facts = [Fact(_("By"), job.by, replay_job_url(job.pk) if may_replay else "")]
    return [*facts, Fact(_("Reason"), job.reason)]


def _entry(change: Change, epoch: str) -> TimelineEntry:
    notes = {
        ChangeKind.CREATED: _("It was given its position and is in the recipient’s list from here on."),
        ChangeKind.READ_ALL: _("The recipient’s whole inbox was marked as read up to position %s.")
        % change.up_to,
    }
    kind = ChangeKind(change.kind)
    note = notes.get(kind, "")
    if kind is ChangeKind.READ_ALL and change.read_category:
        note = _("Everything of category %(category)s was marked as read up to position %(up_to)s.") % {
            "category": change.read_category,
            "up_to": change.up_to,
        }
    return TimelineEntry(
        kind=change.kind,
        title=str(kind.label) if kind is not ChangeKind.READ_ALL else _("Read, by “Mark all as read”"),
        at=change.at,
        change=change,
        cursor=Cursor(epoch, change.position),
        note=note,
    )


def _still_to_come(notification: Notification, state: State) -> list[TimelineEntry]:
    """List what has not happened yet, or never will."""
    match state:
        case State.FAILED:
            return [
                TimelineEntry(
                    kind="failed", title=_("Failed"), at=notification.failed_at, note=notification.failure
                )
            ]
        case State.SCHEDULED:
            return [TimelineEntry(kind="pending", title=_("Will be delivered"), at=notification.deliver_at)]
        case State.STAGED:
            return [TimelineEntry(kind="pending", title=_("Waiting for its position in the inbox"))]
        case State.UNREAD | State.READ | State.ARCHIVED if notification.expires_at:
            return [TimelineEntry(kind="pending", title=_("Will expire"), at=notification.expires_at)]
        case _:
            return []


def _clock(at: datetime) -> str:
    return local_time(at).strftime("%Y-%m-%d %H:%M:%S %Z")
