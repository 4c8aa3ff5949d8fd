"""Replays: jobs of the staff, and which of them made a notification. Broadcasts only call two columns by other names."""

import django.db.models.deletion
import django.db.models.functions.datetime
import notifications.models.public_ids
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('notifications', '0008_permissions'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name='broadcast',
            name='done_count',
            field=models.BigIntegerField(db_default=0, default=0, verbose_name='done'),
        ),
        migrations.AlterField(
            model_name='broadcast',
            name='total_count',
            field=models.BigIntegerField(help_text='As counted when it was asked for.', verbose_name='total'),
        ),
        migrations.CreateModel(
            name='Replay',
            fields=[
                ('id', models.UUIDField(default=notifications.models.public_ids.new_public_id, editable=False, primary_key=True, serialize=False)),
                ('state', models.CharField(choices=[('queued', 'Queued'), ('running', 'Running'), ('done', 'Done'), ('cancelled', 'Cancelled'), ('failed', 'Failed')], db_default='queued', default='queued', max_length=9, verbose_name='state')),
                ('total_count', models.BigIntegerField(help_text='As counted when it was asked for.', verbose_name='total')),
                ('done_count', models.BigIntegerField(db_default=0, default=0, verbose_name='done')),
                ('failed_count', models.BigIntegerField(db_default=0, default=0, verbose_name='failed')),
                ('failure', models.CharField(blank=True, db_default='', default='', max_length=500, verbose_name='failure')),
                ('lease', models.UUIDField(null=True, verbose_name='lease')),
                ('leased_until', models.DateTimeField(null=True, verbose_name='leased until')),
                ('turn_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='turn')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='created at')),
                ('started_at', models.DateTimeField(null=True, verbose_name='started at')),
                ('finished_at', models.DateTimeField(null=True, verbose_name='finished at')),
                ('verb', models.CharField(choices=[('show', 'Show again'), ('redeliver', 'Re-deliver'), ('copy', 'Copy')], max_length=9, verbose_name='verb')),
                ('reason', models.CharField(max_length=500, verbose_name='reason')),
                ('by', models.CharField(max_length=254, verbose_name='by')),
                ('address', models.GenericIPAddressField(null=True, verbose_name='address')),
                ('ids', models.JSONField(default=list, verbose_name='ids')),
                ('filters', models.JSONField(default=dict, verbose_name='filters')),
                ('copy_to', models.JSONField(default=list, help_text='Primary keys of users, as text.', verbose_name='copied to')),
                ('until_id', models.BigIntegerField(verbose_name='up to the key')),
                ('last_id', models.BigIntegerField(db_default=0, default=0, verbose_name='last key')),
                ('is_estimate', models.BooleanField(db_default=False, default=False, verbose_name='the total is an estimate')),
                ('skipped_count', models.BigIntegerField(db_default=0, default=0, verbose_name='left out')),
                ('owner', models.ForeignKey(db_constraint=False, db_index=False, help_text='Who asked for it. It ends when they lose the right to replay.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='owner')),
            ],
            options={
                'verbose_name': 'replay',
                'verbose_name_plural': 'replays',
                'default_permissions': (),
            },
        ),
        migrations.AddField(
            model_name='notification',
            name='replay',
            field=models.ForeignKey(db_constraint=False, db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='notifications.replay', verbose_name='replay'),
        ),
        migrations.AddIndex(
            model_name='replay',
            index=models.Index(condition=models.Q(('state__in', ['queued', 'running'])), fields=['turn_at'], name='replay_turn'),
        ),
        migrations.AddIndex(
            model_name='replay',
            index=models.Index(condition=models.Q(('owner__isnull', False)), fields=['owner'], name='replay_owner'),
        ),
    ]
