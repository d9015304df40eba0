"""Request and response bodies of jobs."""

from typing import Any

from rest_framework import serializers

from devices.bulk.models import Job, JobState
from devices.models import EndpointState
from providers.registry import device_platforms
from pushhub.http.api import ListQuery, QuerySerializer, SafeTextField, StrictSerializer

LIVE_STATES = [state for state in EndpointState.values if state != "none"]
STATES = [state for state in JobState.values if state != JobState.UPLOADING]


class ImportQuery(QuerySerializer):
    format = serializers.ChoiceField(
        Job.Format.values,
        required=False,
        help_text="Default: by the Content-Type. Lines of a Pinpoint export are recognised in every NDJSON file.",
    )
    app = SafeTextField(required=False, max_length=63, help_text="Name or id of the app for lines without one.")


class ExportSerializer(StrictSerializer):
    secrets = serializers.BooleanField(
        default=False,
        help_text="With tokens and subscriptions, so that it can be imported. Requires devices:write as well.",
    )
    user_id = SafeTextField(required=False, max_length=255)
    platform = serializers.ChoiceField(device_platforms(), required=False)
    state = serializers.ChoiceField(LIVE_STATES, required=False)
    app = SafeTextField(required=False, max_length=63)


class JobQuery(ListQuery):
    pass


class ProgressResponse(serializers.Serializer[Any]):
    done = serializers.IntegerField(help_text="Lines processed (import) or written (export).")
    total = serializers.IntegerField(allow_null=True, help_text="Lines of the file; of an export, so far.")
    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    skipped = serializers.IntegerField(
        help_text="Valid lines that pushhub does not import, for example because the user opted out."
    )
    failed = serializers.IntegerField(help_text="Lines with errors; `/errors` lists them.")


class JobResponse(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField(Job.Kind.values)
    format = serializers.ChoiceField(Job.Format.values)
    state = serializers.ChoiceField(STATES)
    reason = serializers.CharField(help_text="Why it failed.")
    progress = ProgressResponse(source="*")
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True, help_text="When an export's result is deleted.")


class JobPageResponse(serializers.Serializer[Any]):
    data = JobResponse(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True)


class JobErrorResponse(serializers.Serializer[Any]):
    line = serializers.IntegerField(help_text="The line of the file, from 1; a CSV's header is line 1.")
    code = serializers.CharField(help_text="As in problem documents.")
    detail = serializers.CharField()
    pointer = serializers.CharField(help_text="JSON Pointer into the line's body; empty: the whole line.")


class JobErrorPageResponse(serializers.Serializer[Any]):
    data = JobErrorResponse(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True)
