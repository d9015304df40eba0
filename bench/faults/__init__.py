"""Faults injected into a complete throw-away installation while it delivers, and a report of the consequences."""
