"""The one write door: whatever changes a notification goes through here."""

from __future__ import annotations

from notifications.inbox_log.inboxes import announce_streams_on_commit, open_inbox
from notifications.inbox_log.provenance import Outcome, Provenance
from notifications.inbox_log.sequencer import retry_failed, sequence
from notifications.protocol.links import Action
from notifications.services.aio import (
    aarchive,
    abroadcast,
    adelete,
    aemit,
    amark_all_read,
    amark_read,
    amark_unread,
    anotify,
    anotify_many,
    aunarchive,
    awithdraw,
)
from notifications.services.broadcast import broadcast, cancel_broadcast, cancel_broadcasts_of
from notifications.services.credentials.tickets import (
    Ticket,
    check_ticket,
    issue_ticket,
    use_ticket,
)
from notifications.services.credentials.tokens import (
    NewToken,
    create_token,
    revoke_tokens,
    usable_token,
    write_token_uses,
)
from notifications.services.erase import Erased, erase_event, erase_inbox, erase_notifications, erase_user
from notifications.services.idempotency import Answer, IdempotentRequest, answer_once
from notifications.services.jobs.broadcaster import run_broadcast_chunk
from notifications.services.jobs.replayer import run_replay_chunk
from notifications.services.notify import NotifyOptions, notify, notify_many
from notifications.services.publish import (
    Draft,
    Producer,
    publish,
    publish_batch,
)
from notifications.services.recipients import Audience, Recipients
from notifications.services.records.polls import AnsweredPoll, Poller, note_answer, write_answers
from notifications.services.records.stream_slots import NewStream, OpenedStream, open_stream
from notifications.services.records.streams import Progress, end_streams, end_streams_of_session
from notifications.services.records.workers import (
    close_lost_streams,
    close_streams_of_dead_processes,
    close_streams_of_process,
    end_worker,
    reopen_streams,
    write_sign_of_life,
)
from notifications.services.replay import Selection, cancel_replay, start_replay
from notifications.services.state import (
    ACTIONS,
    archive,
    delete,
    mark_all_read,
    mark_read,
    mark_unread,
    set_state,
    unarchive,
)
from notifications.services.sweeper import SweepResult, sweep
from notifications.services.transient.emit import emit
from notifications.services.transient.publishing import (
    AcknowledgedEvent,
    TransientDraft,
    publish_transient,
)
from notifications.services.withdraw import finish_withdrawals, withdraw, withdraw_events

__all__ = [
    "ACTIONS",
    "AcknowledgedEvent",
    "Action",
    "Answer",
    "AnsweredPoll",
    "Audience",
    "Draft",
    "Erased",
    "IdempotentRequest",
    "NewStream",
    "NewToken",
    "NotifyOptions",
    "OpenedStream",
    "Outcome",
    "Poller",
    "Producer",
    "Progress",
    "Provenance",
    "Recipients",
    "Selection",
    "SweepResult",
    "Ticket",
    "TransientDraft",
    "aarchive",
    "abroadcast",
    "adelete",
    "aemit",
    "amark_all_read",
    "amark_read",
    "amark_unread",
    "announce_streams_on_commit",
    "anotify",
    "anotify_many",
    "answer_once",
    "archive",
    "aunarchive",
    "awithdraw",
    "broadcast",
    "cancel_broadcast",
    "cancel_broadcasts_of",
    "cancel_replay",
    "check_ticket",
    "close_lost_streams",
    "close_streams_of_dead_processes",
    "close_streams_of_process",
    "create_token",
    "delete",
    "emit",
    "end_streams",
    "end_streams_of_session",
    "end_worker",
    "erase_event",
    "erase_inbox",
    "erase_notifications",
    "erase_user",
    "finish_withdrawals",
    "issue_ticket",
    "mark_all_read",
    "mark_read",
    "mark_unread",
    "note_answer",
    "notify",
    "notify_many",
    "open_inbox",
    "open_stream",
    "publish",
    "publish_batch",
    "publish_transient",
    "reopen_streams",
    "retry_failed",
    "revoke_tokens",
    "run_broadcast_chunk",
    "run_replay_chunk",
    "sequence",
    "set_state",
    "start_replay",
    "sweep",
    "unarchive",
    "usable_token",
    "use_ticket",
    "withdraw",
    "withdraw_events",
    "write_answers",
    "write_sign_of_life",
    "write_token_uses",
]
