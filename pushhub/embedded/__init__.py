"""Everything on one machine without preparation: PostgreSQL and Valkey from wheels, one supervisor for the rest."""
