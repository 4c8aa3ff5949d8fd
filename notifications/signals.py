"""What the hub tells other code, always after the commit.

``inbox_changed`` is sent with ``heads``: a dict from the primary key of each recipient whose inbox changed to its new head.
It is sent in the thread that committed, with ``send_robust``: a receiver that fails is logged and hurts nobody else. It is a
hint, not a record: a process that dies between commit and signal sends none, and readers find the change in the log.
"""

from __future__ import annotations

from django.dispatch import Signal

inbox_changed = Signal()
