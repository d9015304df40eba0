"""User ids may hold slashes (percent-encoded or not), hence `path:`; tenants.user_ids keeps the two addresses apart."""

from django.urls import path

from tenants.api.views import UserTokenView, UserView

urlpatterns = [
    path("v1/users/<path:user_id>/tokens", UserTokenView.as_view()),
    path("v1/users/<path:user_id>", UserView.as_view()),
]
