"""Wiring of the house: settings, urls, servers. No business rule lives here."""
