"""The signals that the hub sends, with ``send_robust``: a receiver that fails is logged and affects no other.

The first two are sent after the commit, in the thread that committed. They are hints and no records: a
process that dies between the commit and the signal sends none.

``inbox_changed`` is sent with ``heads``: a dict from the primary key of each recipient whose inbox changed to
its new head. A receiver that misses it finds the change in the log.

``streams_changed`` is sent with ``user_ids``: primary keys of users whose open streams may have to end,
because a client was replaced, a stream was closed, or there was a logout, a deactivation, a new password or a
revoked token. A receiver that misses it finds out from the rows.

``event_emitted`` is sent at once, with a transient event: ``user_ids``, ``event_id``, ``event_type``,
``topic``, ``at`` (a time), ``data`` (one line of ASCII JSON) and ``receipt`` (a ``Receipt`` for whoever
passes it on, or None). A receiver that misses it never learns of it.

``channel_layer_probed`` is sent with ``receipt``: it asks whether the channel layer accepts messages at the
moment.

``notifications_sequenced`` is sent with ``count`` and ``failed_count``: how many notifications one
transaction gave their positions, and how many it marked failed.

``notifications_shown_again`` is sent after the commit with ``shows``: pairs of the primary keys of a
recipient and of a notification, which the recipient's open streams are to show once more. A receiver that
misses it never learns of it.
"""

from __future__ import annotations

from django.dispatch import Signal

inbox_changed = Signal()
streams_changed = Signal()
event_emitted = Signal()
channel_layer_probed = Signal()
notifications_sequenced = Signal()
notifications_shown_again = Signal()
