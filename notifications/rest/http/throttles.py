"""DRF's throttles over token buckets: how often a user may send requests, and a producer may publish."""

from __future__ import annotations

from typing import Any, Final

from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from notifications.conf import hub_config
from notifications.exceptions import HubError
from notifications.http.token_buckets import Allowance, buckets
from notifications.protocol.problems import PROBLEMS


class Throttled(HubError):
    """A request beyond those of one minute; ``allowance`` says when the next one may follow."""

    code = "throttled"
    message = PROBLEMS["throttled"].detail

    def __init__(self, allowance: Allowance) -> None:
        super().__init__()
        self.allowance: Final = allowance


class UserThrottle(BaseThrottle):
    """Limits the requests of one user, whatever their credential, to ``max_requests_per_minute``."""

    policy = "user"

    def per_minute(self) -> int:
        """Return the limit; 0 for none."""
        return hub_config().max_requests_per_minute

    def allow_request(self, request: Request, view: Any) -> bool:
        """Take a token from the user's bucket, and leave the allowance with the view for its answer.

        It is called once the user is known. A request without a user takes none: it is refused anyway, or is
        open to everybody.

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
    """Limits the publishing requests of one producer to ``max_publish_per_minute``. A batch counts once."""

    policy = "producer"

    def per_minute(self) -> int:
        """Return the limit; 0 for none."""
        return hub_config().max_publish_per_minute
