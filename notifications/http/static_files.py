"""Finds static files when the site is served below a path (``--root-path /hub``).

Django reads ``STATIC_URL`` once for the process, but only the server may know the path. So the path is put
before each URL.
"""

from __future__ import annotations

from typing import Any

from django.contrib.staticfiles.storage import StaticFilesStorage
from django.urls import get_script_prefix
from whitenoise.storage import CompressedManifestStaticFilesStorage


class _BelowRootPath:
    """A mixin for a storage whose ``STATIC_URL`` is a path of this site."""

    def url(self, *args: Any, **kwargs: Any) -> str:
        """Return the URL of a file, below the path of the request that is being answered."""
        url: str = super().url(*args, **kwargs)  # type: ignore[misc]
        return get_script_prefix().rstrip("/") + url


class PlainFiles(_BelowRootPath, StaticFilesStorage):
    """Serves the files under their own names, for development."""


class HashedFiles(_BelowRootPath, CompressedManifestStaticFilesStorage):  # type: ignore[misc] # which brings no types
    """Serves the files under names that change with their content, so that browsers may keep them."""
