"""What may be said of a notification beside its event and its title: the options of ``notify``,
``notify_many`` and ``broadcast``.

They stand here once. A type checker holds every call to them, and so it does your own function that takes
``**options: Unpack[NotifyOptions]`` and passes them on.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypedDict
from uuid import UUID

from notifications.protocol.links import Action


class ContentOptions(TypedDict, total=False):
    """What the event says; each recipient sees the same.

    Attributes:
        body: up to 10,000 characters of plain text; lazy translations are read in the active language.
        url: a path on this site or an http(s) address.
        topic: what it concerns, such as ``order:7``; no comma, up to 100 characters.
        level: overrides the event type's own.
        actor: who did it: a user, or text.
        actions: what it offers to do, at most two.
        expires_at: deleted (reason ``expired``) within seconds after this time.
        source: who sent it, for the staff's timeline.
    """

    body: Any
    url: str
    topic: str
    level: str | None
    actor: Any
    actions: Sequence[Action]
    expires_at: datetime | None
    source: str


class SendOptions(ContentOptions, total=False):
    """How it is sent, too.

    Attributes:
        collapse_key: a listed notification of the same recipient, type, topic and key is deleted (reason
            ``replaced``) in the transaction that lists this one; up to 200 characters.
        deliver_at: not before this time; it stays staged until then.
    """

    collapse_key: str
    deliver_at: datetime | None


class NotifyOptions(SendOptions, total=False):
    """All of them.

    Attributes:
        replay_of: the id of the notification that this one shows again.
    """

    replay_of: UUID | None
