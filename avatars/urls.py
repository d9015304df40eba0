from django.urls import path

from avatars.api import views

urlpatterns = [
    path("v1/avatars", views.AvatarsView.as_view()),
    path("v1/avatars/<uuid:avatar_id>", views.AvatarView.as_view()),
    path("v1/avatars/<uuid:avatar_id>:complete", views.AvatarCompleteView.as_view()),
    path("v1/avatars/<uuid:avatar_id>:appeal", views.AvatarAppealView.as_view()),
    path("callbacks/s3", views.S3CallbackView.as_view()),
    path("avatars/upload", views.upload),
    path("avatars/<uuid:tenant_id>/<uuid:avatar_id>/<str:name>", views.picture),
]
