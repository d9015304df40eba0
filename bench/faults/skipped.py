"""What cannot be done on this machine."""


class Skipped(Exception):
    """The text says why, for the account."""
