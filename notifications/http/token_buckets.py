"""Token buckets, taken from atomically: in Redis for all processes of a hub, in memory for one.

A bucket holds one minute's worth of requests and is refilled evenly. A limit is never a reason to fail: with
Redis down or slow, each process counts by itself for a while.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from datetime import datetime, timedelta
from functools import lru_cache
from math import ceil
from typing import Any, Final, NamedTuple, Protocol

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from notifications.system.outages import Outage

logger = logging.getLogger(__name__)

# The timeout for connecting and for the answer, so a request waits for twice this at most. Redis itself needs
# a tenth of a millisecond.
REDIS_SECONDS: Final = 0.02
REDIS_PAUSE_SECONDS: Final = 5.0
# In memory. The bucket that was used longest ago is dropped, and is full when it is used again.
MAX_BUCKETS: Final = 10_000
MINUTE: Final = 60.0

_TAKE: Final = """
local capacity = tonumber(ARGV[1])
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local stored = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = capacity
if stored[1] then
    tokens = math.min(capacity, stored[1] + math.max(0, now - stored[2]) * capacity / 60)
end
local is_empty = tokens < 1
if not is_empty then
    tokens = tokens - 1
end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], 61)
return {is_empty and 0 or 1, tostring(tokens)}
"""


class Allowance(NamedTuple):
    """The outcome of one request for a token, and what is left for the next: all that a client is told.

    The protocol describes it in section 3.

    Attributes:
        policy: the name of the limit.
        limit: how many requests the bucket holds, and gets in a minute.
        tokens: what is left in it.
        is_granted: whether there was a token for this request.
    """

    policy: str
    limit: int
    tokens: float
    is_granted: bool

    @property
    def remaining(self) -> int:
        """How many requests may follow at once."""
        return int(self.tokens) if self.is_granted else 0

    @property
    def seconds(self) -> int:
        """After how many seconds the bucket is full again; for an empty one, when it has a token again."""
        wanted = self.limit if self.remaining else 1
        return max(1, ceil((wanted - self.tokens) * MINUTE / self.limit))

    @property
    def headers(self) -> dict[str, str]:
        """The headers of draft-ietf-httpapi-ratelimit-headers-10, which granted requests get too."""
        return {
            "RateLimit-Policy": f'"{self.policy}";q={self.limit};w={MINUTE:.0f}',
            "RateLimit": f'"{self.policy}";r={self.remaining};t={self.seconds}',
        }

    def problem_members(self, now: datetime) -> dict[str, object]:
        """Return the members that it adds to a problem document."""
        reset_at = now + timedelta(seconds=self.seconds)
        return {
            "limit": self.limit,
            "remaining": self.remaining,
            "reset_at": reset_at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        }


class Buckets(Protocol):
    """A store of token buckets."""

    def take(self, policy: str, owner: object, per_minute: int) -> Allowance:
        """Take one token from a bucket, if there is one.

        Args:
            policy: the name of the limit.
            owner: whose bucket it is; a new bucket is full.
            per_minute: how many tokens it holds, and gets in a minute.
        """


class MemoryBuckets:
    """The buckets of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, policy: str, owner: object, per_minute: int) -> Allowance:
        """Take one token, as ``Buckets.take`` describes."""
        name, now = f"{policy}:{owner}", time.monotonic()
        with self._lock:
            tokens, at = self._buckets.pop(name, (float(per_minute), now))
            tokens = min(float(per_minute), tokens + (now - at) * per_minute / MINUTE)
            is_granted = tokens >= 1
            tokens -= is_granted
            self._buckets[name] = (tokens, now)
            if len(self._buckets) > MAX_BUCKETS:
                self._buckets.popitem(last=False)
        return Allowance(policy, per_minute, tokens, is_granted)


class RedisBuckets:
    """Buckets in Redis, changed by one script; in memory while Redis does not answer."""

    def __init__(self, url: str) -> None:
        """Prepare the client; nothing is connected yet.

        Args:
            url: of Redis.
        """
        client: Any = redis.Redis.from_url(
            url,
            socket_timeout=REDIS_SECONDS,
            socket_connect_timeout=REDIS_SECONDS,
            retry=Retry(NoBackoff(), 0),
            protocol=2,  # version 3 needs a further round trip for each connection
        )
        self._script = client.register_script(_TAKE)
        self._memory = MemoryBuckets()
        self._paused_until = 0.0
        self._outage = Outage(
            logger,
            began="Redis does not count requests; this process counts by itself",
            over="Redis counts requests again",
        )

    def take(self, policy: str, owner: object, per_minute: int) -> Allowance:
        """Take one token, as ``Buckets.take`` describes."""
        if time.monotonic() >= self._paused_until:
            try:
                granted, tokens = self._script(keys=[f"hub:bucket:{policy}:{owner}"], args=[per_minute])
            except (redis.RedisError, OSError) as error:
                self._paused_until = time.monotonic() + REDIS_PAUSE_SECONDS
                self._outage.failed(error)
            else:
                self._outage.recovered()
                return Allowance(policy, per_minute, float(tokens), bool(granted))
        return self._memory.take(policy, owner, per_minute)


@lru_cache(maxsize=1)
def _buckets(url: str) -> Buckets:
    return RedisBuckets(url) if url else MemoryBuckets()


def buckets() -> Buckets:
    """Return the buckets of this process, in Redis when Django's setting ``REDIS_URL`` names one."""
    return _buckets(getattr(settings, "REDIS_URL", ""))
