"""User ids may contain slashes (percent-encoded or not), so the patterns use `path:`. tenants.user_ids refuses ids that
would make the two addresses ambiguous."""

from django.urls import path

from tenants.api.views import UserTokenView, UserView

urlpatterns = [
    path("v1/users/<path:user_id>/tokens", UserTokenView.as_view()),
    path("v1/users/<path:user_id>", UserView.as_view()),
]
