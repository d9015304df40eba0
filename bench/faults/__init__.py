"""Harm done to a whole service of its own while it delivers, and the account of what came of it."""
