"""Where PostgreSQL has no uuidv7() of its own (before 18): ids of one statement in the order of its rows, too.

The 12 bits after the version are the fraction of the millisecond (RFC 9562 §6.2, method 3), as in PostgreSQL 18.
"""

from django.db import migrations

IN_ORDER = """
DO $do$ BEGIN
  IF current_setting('server_version_num')::int < 180000 THEN
    CREATE OR REPLACE FUNCTION pushhub_uuid7() RETURNS uuid LANGUAGE plpgsql VOLATILE AS $fn$
    DECLARE
      micros bigint := extract(epoch FROM clock_timestamp()) * 1000000;
    BEGIN
      RETURN encode(overlay(
        uuid_send(gen_random_uuid())
        PLACING substring(int8send(micros / 1000) FROM 3) || int2send((28672 + micros % 1000 * 4096 / 1000)::int2)
        FROM 1 FOR 8
      ), 'hex')::uuid;
    END
    $fn$;
  END IF;
END $do$
"""


class Migration(migrations.Migration):
    dependencies = [("notifications", "0009_failed")]

    operations = [migrations.RunSQL(IN_ORDER, migrations.RunSQL.noop)]
