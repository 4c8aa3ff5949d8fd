"""A permission for staff who may disconnect streams; it is given to nobody here."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("notifications", "0010_browse")]

    operations = [
        migrations.AlterModelOptions(
            name="streamsession",
            options={
                "default_permissions": ("view",),
                "permissions": (("end_streamsession", "Can disconnect streams"),),
                "verbose_name": "stream",
                "verbose_name_plural": "streams",
            },
        ),
    ]
