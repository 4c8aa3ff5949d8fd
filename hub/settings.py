"""The hub's Django settings: everything that differs between two machines comes from the environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from notifications.conf import values_from_environ
from notifications.system import environment

BASE_DIR = Path(__file__).resolve().parent.parent

# These are read where they are used. Reading them here stops any server with a wrong one before it starts.
environment.worker_count()
environment.read_port(os.environ, "PORT")

DEBUG = environment.read_switch(os.environ, "DEBUG")
DEVELOPMENT_SECRET_KEY = "development-only-" + "0" * 40
SECRET_KEY = environment.read_text(os.environ, "SECRET_KEY", default=DEVELOPMENT_SECRET_KEY if DEBUG else "")
if not SECRET_KEY:
    raise ImproperlyConfigured("Set SECRET_KEY to a long random text, or DEBUG=1 for development.")
SECRET_KEY_FALLBACKS = environment.read_list(os.environ, "SECRET_KEY_FALLBACKS")
LOOPBACK_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
ALLOWED_HOSTS = environment.read_hosts(os.environ, "ALLOWED_HOSTS") or (LOOPBACK_HOSTS if DEBUG else [])
if not ALLOWED_HOSTS:
    raise ImproperlyConfigured(
        "Set ALLOWED_HOSTS to the host names that are served, or DEBUG=1 for development."
    )
CSRF_TRUSTED_ORIGINS = environment.read_origins(os.environ, "CSRF_TRUSTED_ORIGINS")
# For trying the production setup without certificates; never where others can listen on the network.
PLAIN_HTTP = environment.read_switch(os.environ, "PLAIN_HTTP")
if PLAIN_HTTP and not DEBUG and not set(ALLOWED_HOSTS) <= set(LOOPBACK_HOSTS):
    raise ImproperlyConfigured(
        f"PLAIN_HTTP is for loopback: ALLOWED_HOSTS must name none but {', '.join(LOOPBACK_HOSTS)}."
    )

INSTALLED_APPS = [
    # Its runserver replaces Django's. No other command needs it, and importing it costs 0.3 s and 15 MB.
    *(["daphne"] if sys.argv[1:2] == ["runserver"] else []),
    "hub.apps.HubAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "drf_spectacular_sidecar",  # the files of the page at /api/docs/
    "csp",
    "notifications",
    "notifications.contrib.security",
    *(["notifications.contrib.demo"] if DEBUG else []),
]

MIDDLEWARE = [
    "notifications.rest.http.middleware.ApiCors",
    "notifications.rest.http.middleware.ApiProblems",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "hub.csp.ContentSecurityPolicy",
    "notifications.rest.http.middleware.RefuseUnstorableText",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "notifications.contrib.security.middleware.sign_in_middleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "hub.urls"
# The path below which a proxy serves the site. With None the server may set it, as uvicorn's --root-path
# does.
FORCE_SCRIPT_NAME = environment.read_root_path(os.environ, "ROOT_PATH") or None
ASGI_APPLICATION = "hub.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.debug",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                *(["notifications.contrib.demo.users.demo_users"] if DEBUG else []),
            ],
        },
    },
]

# One database. SQLite takes its write lock when a transaction begins (IMMEDIATE): with the default, DEFERRED,
# two writers that both began by reading fail at once with "database is locked" instead of waiting.
DATABASE_URL = environment.read_database_url(
    os.environ, "DATABASE_URL", default=environment.sqlite_url(BASE_DIR / "var" / "hub.sqlite3")
)
DATABASE_POOL_SIZE = environment.read_number(
    os.environ, "DATABASE_POOL_SIZE", default=8, minimum=4, maximum=100
)
DATABASES: dict[str, dict[str, Any]] = {"default": environ.Env.db_url_config(DATABASE_URL)}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    environment.make_folder("DATABASE_URL", Path(DATABASES["default"]["NAME"]).parent)
    DATABASES["default"] |= {
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 10,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-16000;",
        },
    }
else:
    # Parameters of the URL, such as sslmode and connect_timeout, are passed to the driver.
    DATABASES["default"]["CONN_MAX_AGE"] = 0
    DATABASES["default"].setdefault("OPTIONS", {})["pool"] = {
        "min_size": 1,
        "max_size": DATABASE_POOL_SIZE,
        "timeout": 10,
    }

REDIS_URL = environment.read_redis_url(os.environ, "REDIS_URL")
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {
            "hosts": [{"address": REDIS_URL, "socket_timeout": 15}],
            "prefix": "hub",
        },
    }
    if REDIS_URL
    else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
    {"NAME": "notifications.contrib.security.validators.PasswordChangeNotifier"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": f"notifications.http.static_files.{'PlainFiles' if DEBUG else 'HashedFiles'}"},
}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Security. Cookies with the __Host- prefix need https, so development goes without.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}
X_FRAME_OPTIONS = "DENY"
SESSION_ENGINE = "notifications.contrib.security.sessions"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = "same-origin"
# Only a trusted proxy's header reaches Django (HUB_TRUSTED_PROXIES).
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
if not DEBUG and not PLAIN_HTTP:
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SESSION_COOKIE_NAME = "__Host-sessionid"
    CSRF_COOKIE_NAME = "__Host-csrftoken"
    SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = True

NOTIFICATION_HUB = values_from_environ(os.environ)

# The API ignores these settings, so that it is the same in every project. They are for views that a project
# adds.
REST_FRAMEWORK = {
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "chosen": {
            "()": "notifications.ops.logs.formatter",
            "style": environment.read_choice(
                os.environ, "LOG_FORMAT", ("line", "json"), default="line" if DEBUG else "json"
            ),
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "chosen"}},
    "filters": {
        "brief": {"()": "notifications.ops.logs.WithoutTraceback"},
        "seldom": {"()": "notifications.ops.logs.Seldom"},
    },
    "loggers": {
        # Django has its own handler for DEBUG, with which each line would be logged twice.
        "django": {"handlers": [], "propagate": True},
        # Any client can cause these lines, as often as it likes.
        "django.security.DisallowedHost": {"filters": ["brief"]},
        # It logs every second while Redis is away.
        "channels_redis.pubsub": {"filters": ["seldom"]},
    },
    "root": {"handlers": ["console"], "level": environment.read_level(os.environ, "LOG_LEVEL")},
}
