"""The delivery table: lean, without foreign-key constraints, range-partitioned by its UUIDv7 id, one partition a day.

Django cannot declare partitions, so the table is made in SQL and only told to Django's state.
"""

import django.db.models.deletion
import django.db.models.functions.datetime
import pushhub.kernel.ids
import uuid
from django.db import migrations, models

# uuidv7() is in PostgreSQL 18; before, the same is built from the clock and a random UUID (RFC 9562 §5.7).
UUID7 = """
DO $do$
BEGIN
  IF current_setting('server_version_num')::int >= 180000 THEN
    CREATE FUNCTION pushhub_uuid7() RETURNS uuid LANGUAGE sql VOLATILE AS 'SELECT uuidv7()';
  ELSE
    CREATE FUNCTION pushhub_uuid7() RETURNS uuid LANGUAGE sql VOLATILE AS $fn$
      SELECT encode(set_bit(set_bit(overlay(
        uuid_send(gen_random_uuid())
        PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6
      ), 52, 1), 53, 1), 'hex')::uuid
    $fn$;
  END IF;
END
$do$;

-- The smallest UUIDv7 of a moment: the bound of a partition.
CREATE FUNCTION pushhub_uuid7_floor(moment timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $fn$
  SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$fn$;
"""

TABLE = """
CREATE TABLE notifications_delivery (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL,
    notification_id uuid NOT NULL,
    device_id bigint NOT NULL,
    lane_id bigint NOT NULL,
    generation integer NOT NULL,
    attempt smallint NOT NULL DEFAULT 0,
    lost_leases smallint NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL,
    lease uuid NULL,
    lease_expires_at timestamptz NULL,
    accepted_at timestamptz NULL,
    state varchar(11) NOT NULL DEFAULT 'queued',
    provider_message_id varchar(200) NOT NULL DEFAULT '',
    reason varchar(200) NOT NULL DEFAULT '',
    CONSTRAINT delivery_state CHECK (state IN (STATES))
) PARTITION BY RANGE (id);

CREATE INDEX delivery_due ON notifications_delivery (lane_id, due_at) WHERE state = 'queued';
CREATE INDEX delivery_leased ON notifications_delivery (lease_expires_at) WHERE state = 'sending';
CREATE INDEX delivery_notification ON notifications_delivery (notification_id, id);
CREATE INDEX delivery_device ON notifications_delivery (device_id, id);
CREATE INDEX delivery_message_id ON notifications_delivery (provider_message_id) WHERE provider_message_id <> '';

-- A row whose day has no partition lands here instead of failing; upkeep makes days ahead and raises an alarm when it is not empty.
CREATE TABLE notifications_delivery_default PARTITION OF notifications_delivery DEFAULT;

CREATE FUNCTION pushhub_delivery_partition(day date) RETURNS text LANGUAGE plpgsql AS $fn$
DECLARE
  partition text := 'notifications_delivery_' || to_char(day, 'YYYYMMDD');
BEGIN
  IF to_regclass(partition) IS NULL THEN
    EXECUTE format(
      'CREATE TABLE %I PARTITION OF notifications_delivery FOR VALUES FROM (%L) TO (%L)',
      partition, pushhub_uuid7_floor(day::timestamp AT TIME ZONE 'UTC'), pushhub_uuid7_floor((day + 1)::timestamp AT TIME ZONE 'UTC')
    );
  END IF;
  RETURN partition;
END
$fn$;

SELECT pushhub_delivery_partition((now() AT TIME ZONE 'UTC')::date + ahead) FROM generate_series(0, 7) AS ahead;
""".replace(
    "STATES",
    "'queued','sending','accepted','delivered','opened','undelivered','rejected','gone','expired','cancelled','suppressed','dead'",
)

UNDO = """
DROP TABLE notifications_delivery;
DROP FUNCTION pushhub_delivery_partition(date);
DROP FUNCTION pushhub_uuid7_floor(timestamptz);
DROP FUNCTION pushhub_uuid7();
"""


class Migration(migrations.Migration):
    dependencies = [("notifications", "0001_initial")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(UUID7 + TABLE, UNDO)],
            state_operations=[
                migrations.CreateModel(
                    name='Delivery',
                    fields=[
                        ('id', models.UUIDField(default=pushhub.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                        ('generation', models.PositiveIntegerField(help_text="The device's mapping when the delivery was made.")),
                        ('state', models.CharField(choices=[('queued', 'Queued'), ('sending', 'Sending'), ('accepted', 'Accepted'), ('delivered', 'Delivered'), ('opened', 'Opened'), ('undelivered', 'Undelivered'), ('rejected', 'Rejected'), ('gone', 'Gone'), ('expired', 'Expired'), ('cancelled', 'Cancelled'), ('suppressed', 'Suppressed'), ('dead', 'Dead')], default='queued', max_length=11)),
                        ('due_at', models.DateTimeField()),
                        ('attempt', models.PositiveSmallIntegerField(default=0, help_text='Vendor answers and transport errors so far.')),
                        ('lost_leases', models.PositiveSmallIntegerField(default=0)),
                        ('lease', models.UUIDField(help_text="The claim's token: only its holder may settle.", null=True)),
                        ('lease_expires_at', models.DateTimeField(null=True)),
                        ('accepted_at', models.DateTimeField(null=True)),
                        ('provider_message_id', models.CharField(blank=True, db_default='', default='', max_length=200)),
                        ('reason', models.CharField(blank=True, db_default='', default='', help_text="The vendor's own word, or ours.", max_length=200)),
                        ('device', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='deliveries', to='devices.device')),
                        ('tenant', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='tenants.tenant')),
                        ('lane', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='notifications.lane')),
                        ('notification', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='deliveries', to='notifications.notification')),
                    ],
                    options={'verbose_name_plural': 'deliveries'},
                ),
                migrations.AddIndex(
                    model_name='delivery',
                    index=models.Index(condition=models.Q(('state', 'queued')), fields=['lane', 'due_at'], name='delivery_due'),
                ),
                migrations.AddIndex(
                    model_name='delivery',
                    index=models.Index(condition=models.Q(('state', 'sending')), fields=['lease_expires_at'], name='delivery_leased'),
                ),
                migrations.AddIndex(
                    model_name='delivery',
                    index=models.Index(fields=['notification', 'id'], name='delivery_notification'),
                ),
                migrations.AddIndex(
                    model_name='delivery',
                    index=models.Index(fields=['device', 'id'], name='delivery_device'),
                ),
                migrations.AddIndex(
                    model_name='delivery',
                    index=models.Index(condition=models.Q(('provider_message_id', ''), _negated=True), fields=['provider_message_id'], name='delivery_message_id'),
                ),
                migrations.AddConstraint(
                    model_name='delivery',
                    constraint=models.CheckConstraint(condition=models.Q(('state__in', ['queued', 'sending', 'accepted', 'delivered', 'opened', 'undelivered', 'rejected', 'gone', 'expired', 'cancelled', 'suppressed', 'dead'])), name='delivery_state'),
                ),
            ],
        ),
    ]
