from django.apps import AppConfig


class PushhubConfig(AppConfig):
    name = "pushhub"
