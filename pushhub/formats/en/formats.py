"""Moments as operators compare them with logs: to the second, in the order they sort. In UTC, as TIME_ZONE says."""

DATETIME_FORMAT = "Y-m-d H:i:s"
