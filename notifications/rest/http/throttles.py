"""How often a user may ask, and a producer may send: DRF's throttles over token buckets."""

from __future__ import annotations

from typing import Any, Final

from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from notifications.conf import hub_config
from notifications.exceptions import HubError
from notifications.http.rate_limits import Allowance, buckets
from notifications.protocol.problems import PROBLEMS


class Throttled(HubError):
    """A request on top of those that a user may make in a minute; ``allowance`` says when there is another
    one.
    """

    code = "throttled"
    message = PROBLEMS["throttled"].detail

    def __init__(self, allowance: Allowance) -> None:
        super().__init__()
        self.allowance: Final = allowance


class UserThrottle(BaseThrottle):
    """Requests of one user, whatever their credential; ``max_requests_per_minute``."""

    policy = "user"

    def per_minute(self) -> int:
        """The limit; 0 for none."""
        return hub_config().max_requests_per_minute

    def allow_request(self, request: Request, view: Any) -> bool:
        """True; takes a token, and leaves with the view what every answer then tells. Asked once it is known
        who asks.

        A request that nobody is logged in for takes none: it is refused anyway, or is for everybody.

        Raises:
            Throttled: there was no token.
        """
        limit = self.per_minute() if request.user.is_authenticated else 0
        if limit:
            view.allowance = allowance = buckets().take(self.policy, request.user.pk, limit)
            if not allowance.is_granted:
                raise Throttled(allowance)
        return True


class ProducerThrottle(UserThrottle):
    """Publishing requests of one producer; ``max_publish_per_minute``. A batch is one."""

    policy = "producer"

    def per_minute(self) -> int:
        """The limit; 0 for none."""
        return hub_config().max_publish_per_minute
