"""Transient events are sent once for each idempotency key, which is kept for minutes."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('notifications', '0013_stream_session_digest'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='EventKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=255, verbose_name='key')),
                ('fingerprint', models.CharField(max_length=64, verbose_name='fingerprint of the body')),
                ('event_id', models.UUIDField(verbose_name='id of the event')),
                ('recipient_count', models.PositiveIntegerField(verbose_name='recipients')),
                ('state', models.SmallIntegerField(choices=[(0, 'being sent'), (1, 'may have been sent'), (2, 'taken by the channel layer')], default=0, verbose_name='state')),
                ('created_at', models.DateTimeField(verbose_name='created at')),
                ('producer', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='producer')),
            ],
            options={
                'verbose_name': 'idempotency key of a transient event',
                'verbose_name_plural': 'idempotency keys of transient events',
                'default_permissions': (),
                'indexes': [models.Index(fields=['created_at'], name='event_key_age')],
                'constraints': [models.UniqueConstraint(fields=('producer', 'key'), name='event_key')],
            },
        ),
    ]
