"""Raised for what this machine does not support."""


class Skipped(Exception):
    """The text gives the reason, for the report."""
