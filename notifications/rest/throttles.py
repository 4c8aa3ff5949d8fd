"""How often a user may ask, and a producer may send: DRF's throttles over token buckets."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from notifications.buckets import buckets
from notifications.conf import hub_config


class UserThrottle(BaseThrottle):
    """Requests of one user, whatever their credential; ``max_requests_per_minute``."""

    scope = "user"
    _wait = 0.0

    def per_minute(self) -> int:
        """The limit; 0 for none."""
        return hub_config().max_requests_per_minute

    def allow_request(self, request: Request, view: Any) -> bool:
        """Whether there is a token left; takes it. Asked once it is known who asks; nobody has no bucket."""
        limit = self.per_minute() if request.user.is_authenticated else 0
        self._wait = buckets().take(f"{self.scope}:{request.user.pk}", limit) if limit else 0.0
        return self._wait == 0

    def wait(self) -> float:
        """After how many seconds there will be one."""
        return self._wait


class ProducerThrottle(UserThrottle):
    """Publishing requests of one producer; ``max_publish_per_minute``. A batch is one."""

    scope = "producer"

    def per_minute(self) -> int:
        """The limit; 0 for none."""
        return hub_config().max_publish_per_minute
