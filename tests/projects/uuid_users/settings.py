"""The tests' settings with users of this project."""

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.projects.uuid_users"]
AUTH_USER_MODEL = "uuid_users.User"
