"""The ASGI application: the stream by Channels' routing, everything else by Django.

manage.py serve                       the server for production and development
daphne hub.asgi:application           or
uvicorn hub.asgi:application --timeout-graceful-shutdown 5
"""

from __future__ import annotations

import os

import django
from channels.routing import ProtocolTypeRouter, URLRouter

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hub.settings")
django.setup(set_prefix=False)

# Django must be set up before anything of the app is imported.
from notifications.ops.logs import RequestIds  # noqa: E402
from notifications.ops.routing import ops_routes  # noqa: E402
from notifications.rest.http.handler import HubASGIHandler  # noqa: E402
from notifications.serving.routing import Serving, http_routes, lifespan, refuse_websocket  # noqa: E402

application = Serving(
    RequestIds(
        ProtocolTypeRouter(
            {
                "http": URLRouter([*ops_routes(), *http_routes(HubASGIHandler(), with_dialect=True)]),
                "websocket": refuse_websocket,
                "lifespan": lifespan,
            }
        )
    )
)
