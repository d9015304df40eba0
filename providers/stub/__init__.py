"""A vendor of our own for tests and load: scripted devices behind a real HTTP server."""
