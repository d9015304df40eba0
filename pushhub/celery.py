"""The module in which `celery -A pushhub` looks for the app. Service units of older versions name it, too."""

from pushhub.workers.celery import app

__all__ = ["app"]
