from django.urls import path

from notifications.api import callbacks, topic_views, views
from providers.registry import providers_all

urlpatterns = [
    path("v1/notifications", views.NotificationsView.as_view()),
    path("v1/notifications/<uuid:notification_id>", views.NotificationView.as_view()),
    path("v1/notifications/<uuid:notification_id>/deliveries", views.DeliveriesView.as_view()),
    path("v1/notifications/<uuid:notification_id>:cancel", views.NotificationCancelView.as_view()),
    path("v1/notifications/<uuid:notification_id>:redrive", views.NotificationRedriveView.as_view()),
    path("v1/topics", topic_views.TopicsView.as_view()),
    path("v1/topics/<str:name>/subscribers", topic_views.SubscribersView.as_view()),
    path("v1/receipts", callbacks.ReceiptsView.as_view()),
    *(
        path(f"callbacks/{provider.name}/<uuid:app_id>", callbacks.VendorCallbackView.as_view())
        for provider in providers_all()
        if provider.callbacks
    ),
]
