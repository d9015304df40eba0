from django.urls import path

from devices.api.app_views import AppRotateView, AppsView, AppVerifyView, AppView
from devices.api.views import DevicesView, DeviceView, WebPushConfigView
from devices.bulk.urls import urlpatterns as bulk_urlpatterns

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
