"""An index for compacted backlogs; it serves the foreign key too, whose own one goes."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifications", "0006_search")]

    operations = [
        # First the new one, so that the foreign key is never without.
        migrations.AddIndex(
            model_name="change",
            index=models.Index(fields=["notification", "position"], name="change_superseded"),
        ),
        migrations.AlterField(
            model_name="change",
            name="notification",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="changes",
                to="notifications.notification",
                verbose_name="notification",
            ),
        ),
    ]
