from django.urls import path
from django.views.generic import RedirectView

from clients import views

urlpatterns = [
    path("demo", RedirectView.as_view(url="/demo/")),
    path("demo/", views.demo_page, name="demo"),
    path("demo/sw.js", views.worker_script, {"name": "sw.js"}),
    path("demo/store.js", views.worker_script, {"name": "store.js"}),
    path("demo/token", views.demo_token),
    path("demo/send", views.demo_send),
    path("demo/notifications/<uuid:notification_id>", views.demo_notification),
]
