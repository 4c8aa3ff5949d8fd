"""The hub's settings with one more page, which does nothing: what Django and the server take for any
answer.
"""

from hub.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.urls"
