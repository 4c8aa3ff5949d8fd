"""Answered polls are on record beside streams."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("notifications", "0011_disconnect_streams"),
    ]

    operations = [
        migrations.AlterField(
            model_name="streamsession",
            name="asked",
            field=models.CharField(
                blank=True,
                choices=[
                    ("client", "The client went"),
                    ("backlog", "It wanted the backlog alone"),
                    ("rotate", "Rotated"),
                    ("shutdown", "The process stopped"),
                    ("revoked", "Its right ended"),
                    ("slow", "The reader took nothing"),
                    ("replaced", "Replaced by the same client"),
                    ("error", "An error"),
                    ("lost", "The process was lost"),
                    ("answered", "A poll, answered"),
                    ("listed", "A list, answered"),
                ],
                db_default="",
                default="",
                help_text="The reason for which somebody else ended it, until its process has done so.",
                max_length=8,
                verbose_name="asked to end",
            ),
        ),
        migrations.AlterField(
            model_name="streamsession",
            name="reason",
            field=models.CharField(
                blank=True,
                choices=[
                    ("client", "The client went"),
                    ("backlog", "It wanted the backlog alone"),
                    ("rotate", "Rotated"),
                    ("shutdown", "The process stopped"),
                    ("revoked", "Its right ended"),
                    ("slow", "The reader took nothing"),
                    ("replaced", "Replaced by the same client"),
                    ("error", "An error"),
                    ("lost", "The process was lost"),
                    ("answered", "A poll, answered"),
                    ("listed", "A list, answered"),
                ],
                db_default="",
                default="",
                max_length=8,
                verbose_name="reason",
            ),
        ),
        migrations.AlterField(
            model_name="streamsession",
            name="worker",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="stream_sessions",
                to="notifications.worker",
                verbose_name="worker",
            ),
        ),
    ]
