"""The format of moments in the console: to the second and sortable, so that operators can compare them with logs. They
are in UTC, the TIME_ZONE of the settings."""

DATETIME_FORMAT = "Y-m-d H:i:s"
