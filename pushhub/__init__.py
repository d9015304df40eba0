"""The Django project: settings, URLs, servers and the code that all apps share. It contains no business rules."""
