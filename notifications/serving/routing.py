"""Routes the stream among a project's ASGI applications; ``hub/asgi.py`` shows its use.

Example::

    django_application = get_asgi_application()
    application = Serving(
        ProtocolTypeRouter({
            "http": URLRouter(http_routes(django_application)),
            "websocket": refuse_websocket,
            "lifespan": lifespan,
        })
    )
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings
from django.urls import path, re_path

from notifications.conf import hub_config
from notifications.serving import routines
from notifications.serving.access_log import hide_query_strings
from notifications.serving.proxies import settle_client
from notifications.streaming.asgi import Receive, Scope, Send, join_cookies
from notifications.streaming.connection.transport import SERVER_SEND
from notifications.streaming.door.endpoint import stream
from notifications.streaming.door.guard import METHODS, SIGNALS
from notifications.streaming.door.long_poll import poll
from notifications.streaming.door.paced_answers import paced
from notifications.streaming.staff import STAFF_PATH
from notifications.streaming.staff.endpoint import replay, tail

ASGIApplication = Callable[[Any, Any, Any], Awaitable[None]]

STREAM_PATH = "api/v1/notifications/stream"
EVENTS_PATH = "api/v1/events"
CHANGES_PATH = "api/v1/notifications/changes"
SIGNALS_PATH = "notifications/stream"


def http_routes(
    django_application: ASGIApplication, *, with_dialect: bool = False, admin_path: str = "admin/"
) -> list[Any]:
    """Return the routes for Channels' ``URLRouter``: streams, the long poll, and Django for the rest.

    Args:
        django_application: what ``get_asgi_application()`` gives.
        with_dialect: the project mounts the Range dialect (``notifications.rest.keria``), whose stream this
            then serves too.
        admin_path: where the project mounts Django's admin, beneath which the staff have streams of their
            own.
    """
    django_application = paced(django_application)

    async def events(scope: Scope, receive: Receive, send: Send) -> None:
        application = stream if scope["method"] in METHODS else django_application
        await application(scope, receive, send)

    async def changes(scope: Scope, receive: Receive, send: Send) -> None:
        await poll(scope, receive, send, django_application)

    async def signals(scope: Scope, receive: Receive, send: Send) -> None:
        application = stream if hub_config().range_dialect else django_application
        await application({**scope, SIGNALS: True}, receive, send)

    # Django's types accept only views as the target of a path.
    targets: list[tuple[str, Any]] = [
        (STREAM_PATH, stream),
        (EVENTS_PATH, events),
        (CHANGES_PATH, changes),
        (f"{admin_path}{STAFF_PATH}tail", tail),
        (f"{admin_path}{STAFF_PATH}replay", replay),
    ]
    if with_dialect:
        targets.append((SIGNALS_PATH, signals))
    fallback: Any = django_application
    return [*(path(route, target) for route, target in targets), re_path(r"", fallback)]


class Serving:
    """The outermost application: starts the background threads, and corrects what a client may not set.

    Nothing around it may put its own ``send`` before the server's, because a stream could then not find its
    transport.

    Args:
        application: Channels' router.
    """

    def __init__(self, application: ASGIApplication) -> None:
        self._application = application
        hide_query_strings()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Correct a scope, and pass it on."""
        routines.start()
        if scope["type"] != "lifespan":
            scope[SERVER_SEND] = send
            settle_client(scope)
            join_cookies(scope)
            scope = _below_root_path(scope)
        await self._application(scope, receive, send)


def _below_root_path(scope: Scope) -> Scope:
    """Return a scope whose path begins with its root path, whether a proxy has removed that or not.

    The setting decides, then the server. Daphne's root path is ignored, because any client may send it in a
    header; such a path does not begin with it.
    """
    path, root_path = scope["path"], scope.get("root_path", "")
    server_root_path = root_path if path.startswith(f"{root_path}/") else ""
    root_path = settings.FORCE_SCRIPT_NAME or server_root_path
    if path == root_path:  # Django's admin links to it
        path += "/"
    elif not path.startswith(f"{root_path}/"):
        path = root_path + path
    if (path, root_path) == (scope["path"], scope.get("root_path")):
        return scope  # a copy would stay as long as the stream
    return {**scope, "path": path, "root_path": root_path}


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Confirm start and stop, so that servers which use lifespan events do not log that they are missing."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            routines.stop()
            return


async def refuse_websocket(scope: Scope, receive: Receive, send: Send) -> None:
    """Close a WebSocket before it is accepted, which its client sees as 403: the hub has none."""
    await receive()
    await send({"type": "websocket.close"})
