"""The vendors: how a push is written, sent and its answer understood. No Django, no tenant, no database."""
