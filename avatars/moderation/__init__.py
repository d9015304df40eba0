"""Engines label a picture; a policy decides what the labels call for. Plain Python: no Django, no database."""
