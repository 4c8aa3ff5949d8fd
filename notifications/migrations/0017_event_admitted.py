"""Which events have come by a door of the hub, where they were held to their types."""

from __future__ import annotations

from typing import Any

from django.db import migrations, models


def _admitted(*, default: bool) -> models.Field[Any, Any]:
    return models.BooleanField(
        db_default=default, default=False, editable=False, verbose_name="is admitted"
    )


class Migration(migrations.Migration):
    dependencies = [
        ("notifications", "0016_worker_process"),
    ]

    operations = [
        # What is there by now has come by a door, or has been sequenced; scheduled ones are not to be held to today's types.
        migrations.AddField(model_name="event", name="is_admitted", field=_admitted(default=True)),
        migrations.AlterField(model_name="event", name="is_admitted", field=_admitted(default=False)),
    ]
