"""Each change holds the whole state of its notification after it."""

from __future__ import annotations

from typing import Any

from django.db import migrations, models
from django.db.models import F, OuterRef, Subquery

KINDS = [
    ("created", "Created"),
    ("read", "Read"),
    ("unread", "Unread"),
    ("deleted", "Deleted"),
    ("read_all", "All read"),
]


def _fill(apps: Any, schema_editor: Any) -> None:
    change, notification = apps.get_model("notifications", "Change"), apps.get_model("notifications", "Notification")
    change.objects.filter(kind="read").update(read_at=F("at"))
    was_read_at = notification.objects.filter(pk=OuterRef("notification_id")).values("read_at")
    change.objects.filter(kind="deleted").update(read_at=Subquery(was_read_at))


class Migration(migrations.Migration):
    dependencies = [
        ("notifications", "0017_event_admitted"),
    ]

    operations = [
        migrations.AlterField(
            model_name="change",
            name="kind",
            field=models.CharField(choices=KINDS, max_length=16, verbose_name="kind"),
        ),
        migrations.AddField(
            model_name="change",
            name="read_at",
            field=models.DateTimeField(null=True, verbose_name="read at"),
        ),
        migrations.RunPython(_fill, migrations.RunPython.noop, elidable=True),
    ]
