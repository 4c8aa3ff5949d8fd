"""What the hub tells other code, with ``send_robust``: a receiver that fails is logged and hurts nobody else.

The first two are sent after the commit, in the thread that committed. They are hints, not records: a process
that dies between commit and signal sends none.

``inbox_changed`` is sent with ``heads``: a dict from the primary key of each recipient whose inbox changed to
its new head. Readers that missed it find the change in the log.

``streams_changed`` is sent with ``user_ids``: primary keys of users whose open streams may have to end: a
client replaced, a stream closed, a logout, a deactivation, a new password, a token revoked. Who missed it
finds out by looking at the rows.

``event_emitted`` is a transient event itself, sent at once: ``user_ids``, ``event_id``, ``event_type``,
``topic``, ``at`` (a time), ``data`` (one line of ASCII JSON) and ``receipt`` (a ``Receipt`` for who passes it
on, or None). Who missed it never knows.

``channel_layer_asked`` is sent with ``receipt``: whether the channel layer takes what is sent over it just
now.

``notifications_sequenced`` is sent with ``count`` and ``failed_count``: how many notifications were given
their positions by one transaction, and how many it marked failed.

``notifications_shown`` is sent after the commit with ``shows``: pairs of a recipient's primary key and that
of a notification, which their open streams are to show once more. Who missed it never knows.
"""

from __future__ import annotations

from django.dispatch import Signal

inbox_changed = Signal()
streams_changed = Signal()
event_emitted = Signal()
channel_layer_asked = Signal()
notifications_sequenced = Signal()
notifications_shown = Signal()
