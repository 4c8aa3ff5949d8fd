"""Where a browser finds static files when the site is served below a path (``--root-path /hub``).

Django reads ``STATIC_URL`` once for the process, but the path may be known to the server alone. So it is put
before each URL.
"""

from __future__ import annotations

from typing import Any

from django.contrib.staticfiles.storage import StaticFilesStorage
from django.urls import get_script_prefix
from whitenoise.storage import CompressedManifestStaticFilesStorage


class _BelowRootPath:
    """For a storage whose ``STATIC_URL`` is a path of this site."""

    def url(self, *args: Any, **kwargs: Any) -> str:
        """The URL of a file, below the path of the request that is being answered."""
        url: str = super().url(*args, **kwargs)  # type: ignore[misc]
        return get_script_prefix().rstrip("/") + url


class PlainFiles(_BelowRootPath, StaticFilesStorage):
    """The files under their own names, for development."""


class HashedFiles(_BelowRootPath, CompressedManifestStaticFilesStorage):  # type: ignore[misc] # which brings no types
    """The files under names that change with what is in them, so that browsers keep them for good."""
