"""Indexes by which the admin walks tables of any size; the foreign key to the event is served by one of them."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models.functions import Left, StrIndex


class Migration(migrations.Migration):
    dependencies = [("notifications", "0009_replays")]

    operations = [
        migrations.RemoveIndex(
            model_name="event",
            name="event_producer",
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["created_at", "id"], name="event_time"),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["type", "created_at", "id"], name="event_type_time"),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                Left("type", StrIndex("type", models.Value(".")) - 1),
                "created_at",
                "id",
                name="event_category_time",
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                condition=models.Q(("level", "info"), _negated=True),
                fields=["level", "created_at", "id"],
                name="event_level_time",
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                condition=models.Q(("producer__isnull", False)),
                fields=["producer", "created_at", "id"],
                name="event_producer",
            ),
        ),
        migrations.AddIndex(
            model_name="idempotencykey",
            index=models.Index(fields=["key"], name="idempotency_search"),
        ),
        migrations.AddIndex(
            model_name="inbox",
            index=models.Index(fields=["epoch"], name="inbox_epoch"),
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(fields=["event", "id"], name="notif_event"),
        ),
        # Once the new one is there, so that the foreign key is never without.
        migrations.AlterField(
            model_name="notification",
            name="event",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="notifications",
                to="notifications.event",
                verbose_name="event",
            ),
        ),
    ]
