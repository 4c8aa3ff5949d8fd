"""What a token may be allowed to do.

Each endpoint says which of them it needs (``needed_scope``; the streams need ``read``), and
``rest.http.authentication.HasScope`` refuses tokens that lack it.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Scope(models.TextChoices):
    """The rights that a token can have."""

    READ = "read", _("Read the inbox and its stream")
    INBOX = "inbox", _("Change the inbox: read, unread, archive, delete")
    PUBLISH = "publish", _("Send notifications")
