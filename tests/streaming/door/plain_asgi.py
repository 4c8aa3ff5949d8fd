"""A project that serves the hub by Django's own ASGI handler, as the docstring of
`notifications.serving.routing` shows it.
"""

from __future__ import annotations

from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application

# What Django's documentation asks of projects under ASGI: its own handler has a thread for each request, and
# none would use the connection again.
settings.DATABASES["default"]["CONN_MAX_AGE"] = 0
django_application = get_asgi_application()

from notifications.serving.routing import Serving, http_routes, lifespan, refuse_websocket  # noqa: E402

application = Serving(
    ProtocolTypeRouter(
        {
            "http": URLRouter(http_routes(django_application)),
            "websocket": refuse_websocket,
            "lifespan": lifespan,
        }
    )
)
