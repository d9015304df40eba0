from django.urls import path

from devices.bulk.views import ExportView, ImportView, JobCancelView, JobErrorsView, JobResultView, JobsView, JobView

urlpatterns = [
    path("v1/devices:import", ImportView.as_view()),
    path("v1/devices:export", ExportView.as_view()),
    path("v1/jobs", JobsView.as_view()),
    path("v1/jobs/<str:job_id>:cancel", JobCancelView.as_view()),
    path("v1/jobs/<str:job_id>/errors", JobErrorsView.as_view()),
    path("v1/jobs/<str:job_id>/result", JobResultView.as_view()),
    path("v1/jobs/<str:job_id>", JobView.as_view()),
]
