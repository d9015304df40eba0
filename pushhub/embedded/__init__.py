"""The whole service on one machine without preparation: PostgreSQL and Valkey from wheels, and a supervisor for the
service's own processes."""
