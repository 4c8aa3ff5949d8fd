"""What a token may be allowed to do, and which requests need that.

=========== ==========================================================================
``read``    lists, changes and counts; streams, and tickets for one's own
``inbox``   what changes an inbox: ``PATCH``, ``DELETE``, actions
``publish`` what producers do: publish, events, withdraw, jobs; tickets for other users
=========== ==========================================================================

The endpoints name the scope that they need (``needed_scope`` in ``rest/``), and
``rest.http.authentication.HasScope`` refuses tokens that lack it; for the streams
``streaming.door.credentials`` does.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Scope(models.TextChoices):
    """The rights that a token can have."""

    READ = "read", _("Read the inbox and its stream")
    INBOX = "inbox", _("Change the inbox: read, unread, archive, delete")
    PUBLISH = "publish", _("Send notifications")
