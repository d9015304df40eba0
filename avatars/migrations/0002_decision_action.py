from django.db import migrations

# `hold` names the suspension of an app at a push origin; a policy waits for its engine.
WAIT = "UPDATE avatars_avatarpolicy SET engine_down = 'wait' WHERE engine_down = 'hold'"
HOLD = "UPDATE avatars_avatarpolicy SET engine_down = 'hold' WHERE engine_down = 'wait'"


class Migration(migrations.Migration):
    dependencies = [("avatars", "0001_initial")]

    operations = [
        migrations.RenameField("decision", "verdict", "action"),
        migrations.RenameField("decision", "because", "causes"),
        migrations.RunSQL(WAIT, HOLD),
    ]
