"""Ids of events from one clock, the database's: hosts' clocks differ, and an id is an event's place in the log.

Expand: whatever still brings an id of its own may.
"""

from django.db import migrations, models

# A UUIDv7 (RFC 9562 §6.2, method 3: the 12 bits after the version are the fraction of the millisecond). The transaction
# takes its number before it reads the clock: whoever reads the log sees it running from before the event on.
EVENT_ID = """
CREATE FUNCTION pushhub_event_id() RETURNS uuid LANGUAGE plpgsql VOLATILE AS $fn$
DECLARE
  micros bigint;
BEGIN
  PERFORM pg_current_xact_id();
  micros := extract(epoch FROM clock_timestamp()) * 1000000;
  RETURN encode(overlay(
    uuid_send(gen_random_uuid())
    PLACING substring(int8send(micros / 1000) FROM 3) || int2send((28672 + micros % 1000 * 4096 / 1000)::int2)
    FROM 1 FOR 8
  ), 'hex')::uuid;
END
$fn$
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0002_event_people")]

    operations = [
        migrations.RunSQL(EVENT_ID, "DROP FUNCTION pushhub_event_id()"),
        migrations.AlterField(
            "event",
            "id",
            models.UUIDField(
                db_default=models.Func(function="pushhub_event_id"), editable=False, primary_key=True, serialize=False
            ),
        ),
    ]
