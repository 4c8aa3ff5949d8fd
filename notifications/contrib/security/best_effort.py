"""The one place where telling users about their account is best effort."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

logger = logging.getLogger(__name__)


@contextmanager
def best_effort(what: str) -> Iterator[None]:
    """Run a block in a transaction of its own; if it fails, log that and go on.

    Nobody may be kept from logging in, logging out or changing a password because a notification about it
    failed. The block is a savepoint of the caller's transaction, if there is one, so its failure leaves that
    usable.

    Args:
        what: completes "Could not …" in the log.
    """
    try:
        with transaction.atomic():
            yield
    except Exception:
        logger.exception("Could not %s", what)
