"""The hub's own settings as the tests run them: what the environment does not say is as in development."""

import os
from pathlib import Path

os.environ.setdefault("DEBUG", "1")

from hub.settings import *  # noqa: F403
from hub.settings import DATABASES, STORAGES

# A thousand times quicker than the real one, which Django's own tests cover.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# Nothing is collected for the tests, not even for those of a process without DEBUG.
STORAGES["staticfiles"] = {"BACKEND": "notifications.http.static_files.PlainFiles"}

# A file rather than SQLite's memory: threads and other processes open the same database. pytest-django adds
# the worker's name.
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3" and "TEST_FOLDER" in os.environ:
    DATABASES["default"]["TEST"] = {"NAME": str(Path(os.environ["TEST_FOLDER"]) / "test.sqlite3")}

# SQLite lets its writers wait in no order, and the pool its clients: on a busy machine one of many may wait
# for long, which is no failure.
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"]["timeout"] = 60
else:
    DATABASES["default"]["OPTIONS"]["pool"]["timeout"] = 60
