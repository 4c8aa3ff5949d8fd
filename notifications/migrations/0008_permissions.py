"""What staff may do, one permission for each; none is given to anybody here."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("notifications", "0007_change_superseded")]

    operations = [
        migrations.AlterModelOptions(
            name="notification",
            options={
                "permissions": (
                    ("view_content", "Can view the content of notifications"),
                    ("replay", "Can replay notifications to users"),
                    ("compose", "Can compose notifications"),
                    ("erase", "Can erase the content of notifications"),
                ),
                "verbose_name": "notification",
                "verbose_name_plural": "notifications",
            },
        ),
    ]
