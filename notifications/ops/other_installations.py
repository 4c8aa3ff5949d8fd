"""Finds out who listens on the channel layer's Redis server.

That may be this installation, others, or processes that should be of this one and are not.

Redis's pub/sub ignores the numbers of databases, so all hubs of a server meet there. They do not hear each
other, because their groups have different names; but neither do processes of one hub that were not set up
alike.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from channels_redis.pubsub import RedisPubSubChannelLayer
from channels_redis.utils import create_pool, decode_hosts
from django.conf import settings
from django.utils.module_loading import import_string
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from notifications.ops.findings import Finding, ok, warning
from notifications.streaming.hints.messages import EVERYBODY_SUFFIX, GROUP_PREFIX
from notifications.system.installation import Installation

SECONDS: Final = 3.0
MAX_NAMED: Final = 5
UNNAMED: Final = "without a name"  # a hub whose version is older than the names
# The group that every serving process of an installation is in, whatever prefix its layer has.
_GROUP: Final = re.compile(rf".*__group__{re.escape(GROUP_PREFIX)}([0-9a-f]+){re.escape(EVERYBODY_SUFFIX)}")
_PATTERNS: Final = (
    f"*__group__{GROUP_PREFIX}*{EVERYBODY_SUFFIX}",
    f"*__group__{GROUP_PREFIX}inboxes",
)


def find_other_installations(installation: Installation) -> Iterable[Finding]:
    """Say who listens, where the channel layer is Redis's pub/sub.

    Elsewhere numbers of databases keep hubs apart. It must run in a thread without an event loop.
    """
    layer: Mapping[str, Any] = settings.CHANNEL_LAYERS["default"]
    if not issubclass(import_string(layer["BACKEND"]), RedisPubSubChannelLayer):
        return
    try:
        found = asyncio.run(_listeners(layer.get("CONFIG", {}).get("hosts")))
    except ResponseError as refusal:  # by name or by right; whoever it is still sends and receives
        yield ok("neighbours", f"not looked for: Redis does not say who listens ({refusal})")
    except Exception as failure:  # noqa: BLE001 (whatever Redis's client raises, nothing is known)
        yield warning("neighbours", f"Redis could not be asked who listens: {failure!r}")
    else:
        yield finding_about(installation, found)


def finding_about(installation: Installation, found: Mapping[str, int]) -> Finding:
    """Say what it means who listens.

    Args:
        installation: this one.
        found: the number of processes that listen, by the name of their installation.
    """
    former = {key.name for key in installation.former}
    others = {name: count for name, count in found.items() if name not in {installation.name, *former}}
    # A process that knows former keys listens under each of them.
    text = f"{_processes(found.get(installation.name, 0))} of this installation ({installation.name}) listen"
    if not others:
        return ok("neighbours", f"{text}, and nobody else on this Redis server")
    shown = [f"{name} ({_processes(count)})" for name, count in sorted(others.items())[:MAX_NAMED]]
    more = f" and {len(others) - MAX_NAMED} more" if len(others) > MAX_NAMED else ""
    return warning(
        "neighbours",
        f"{text}, and on the same Redis server {', '.join(shown)}{more}. Other hubs may be there: they and "
        "this one do not hear each other. "
        "But if those are processes of this hub, they have another SECRET_KEY, HUB_INSTALLATION or database, "
        "and what happens in one is seen in the other seconds late, transient events never",
    )


def _processes(count: int) -> str:
    return "1 process" if count == 1 else f"{count} processes"


async def _listeners(hosts: Any) -> Counter[str]:
    found: Counter[str] = Counter()
    async with asyncio.timeout(SECONDS):
        for host in decode_hosts(hosts):
            client = Redis(connection_pool=create_pool(host))
            try:
                for pattern in _PATTERNS:
                    names = await client.pubsub_channels(pattern)
                    for name, count in await client.pubsub_numsub(*names) if names else ():
                        group = _GROUP.fullmatch(name if isinstance(name, str) else name.decode())
                        found[group[1] if group else UNNAMED] += count
            finally:
                await client.aclose(close_connection_pool=True)
    return found
