"""What is in a picture (engines), and what a tenant makes of it (policy). Plain Python: no Django, no database."""
