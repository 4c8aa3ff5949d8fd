"""Staff streams: the live tail and the replay, which pages of the admin show. They take no slot of a user."""

from typing import Final

# Below the admin's own path, so that whatever protects the admin protects them.
STAFF_PATH: Final = "notification_hub/live/"

__all__ = ["STAFF_PATH"]
