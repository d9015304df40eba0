from tests.notifications.engine.conftest import acme, globex

__all__ = ["acme", "globex"]
