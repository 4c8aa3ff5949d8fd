"""Each change holds the whole state of its notification after it."""

from __future__ import annotations

from typing import Any

from django.db import migrations, models
from django.db.models import F, OuterRef, Subquery

KINDS = [
    ("created", "Created"),
    ("read", "Read"),
    ("unread", "Unread"),
    ("archived", "Archived"),
    ("unarchived", "Unarchived"),
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
        ("notifications", "0019_stream_reason_limit"),
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
        migrations.AddField(
            model_name="change",
            name="archived_at",
            field=models.DateTimeField(null=True, verbose_name="archived at"),
        ),
        migrations.AddField(
            model_name="notification",
            name="archived_at",
            field=models.DateTimeField(editable=False, null=True, verbose_name="archived at"),
        ),
        migrations.RemoveConstraint(model_name="notification", name="notif_list"),
        migrations.AddConstraint(
            model_name="notification",
            constraint=models.UniqueConstraint(
                condition=models.Q(position__isnull=False, deleted_at__isnull=True, archived_at__isnull=True),
                fields=("recipient", "position"),
                name="notif_list",
            ),
        ),
        migrations.AddConstraint(
            model_name="notification",
            constraint=models.UniqueConstraint(
                condition=models.Q(position__isnull=False, deleted_at__isnull=True, archived_at__isnull=False),
                fields=("recipient", "position"),
                name="notif_archived",
            ),
        ),
        migrations.RunPython(_fill, migrations.RunPython.noop, elidable=True),
    ]
