"""Write the OpenAPI description that the hub serves: `make schema`."""

from __future__ import annotations

import os

import django


def main() -> None:
    """Write the description."""
    os.environ.setdefault("DEBUG", "1")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hub.settings")
    django.setup()
    from notifications.rest.schema.document import FILE, generate

    FILE.write_text(generate(), encoding="utf-8")
    print(f"Wrote {FILE}.")


if __name__ == "__main__":
    main()
