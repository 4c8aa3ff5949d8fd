"""Streams of the staff's own: the live tail and the replay, which the admin's pages show. They take no slot
of any user's.
"""

from typing import Final

# Beneath the admin's own path, so that whatever guards the admin guards them.
STAFF_PATH: Final = "notification_hub/live/"

__all__ = ["STAFF_PATH"]
