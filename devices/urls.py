from django.urls import path

from devices.app_views import AppRotateView, AppsView, AppVerifyView, AppView
from devices.bulk.urls import urlpatterns as bulk_urlpatterns
from devices.views import DevicesView, DeviceView, WebPushConfigView

urlpatterns = [
    *bulk_urlpatterns,
    path("v1/devices", DevicesView.as_view()),
    path("v1/devices/<str:device_id>", DeviceView.as_view()),
    path("v1/webpush/config", WebPushConfigView.as_view()),
    path("v1/apps", AppsView.as_view()),
    path("v1/apps/<str:name>:verify", AppVerifyView.as_view()),
    path("v1/apps/<str:name>:rotate", AppRotateView.as_view()),
    path("v1/apps/<str:name>", AppView.as_view()),
]
