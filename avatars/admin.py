"""The operators' pages: every avatar with its history, the review queue, each tenant's policy."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.timezone import localtime
from django.views.decorators.http import require_GET, require_POST
from typing_extensions import override

from avatars import keys
from avatars.models import Avatar, AvatarPolicy, Decision
from avatars.moderation.policy import ModerationAction, PolicyInvalid, policy_parse
from avatars.selectors import MASTER_KEPT, avatar_revision, moderation_latest, timeline
from avatars.services import avatar_decide, avatar_redrive
from avatars.states import AvatarState
from avatars.storage import storage_get
from avatars.storage.base import ObjectMissing, ObjectTooLarge, StorageRetry
from avatars.user_notice import texts_check
from pushhub.kernel.errors import ApiError
from tenants.admin_base import ExactSearch, FastAdmin, OperatedAdmin

BY_TENANT = ("tenant", admin.RelatedOnlyFieldListFilter)
MASTER_MAX_BYTES = 16 * 1024 * 1024
# Sent to the person as it stands, so that the person knows what to do. A reviewer may also type another sentence.
SENTENCES = [
    "Please choose a picture without nudity.",
    "Please choose a picture without violence or weapons.",
    "Please choose a picture without hateful symbols or gestures.",
    "Please choose a picture without drugs, tobacco or alcohol.",
    "Please choose a picture that is yours to use.",
]


class DecisionForm(forms.Form):
    seen = forms.CharField(max_length=60, error_messages={"required": "Open the page again to decide."})
    action = forms.TypedChoiceField(
        choices=[(ModerationAction.APPROVE, "approve"), (ModerationAction.REJECT, "reject")], coerce=ModerationAction
    )
    reason = forms.CharField(max_length=300, required=False)

    @override
    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        if found.get("action") == ModerationAction.REJECT and not found.get("reason"):
            raise forms.ValidationError("A rejection needs a reason, which is shown to the person.")
        return found


@admin.register(Avatar)
class AvatarAdmin(ExactSearch, OperatedAdmin):
    list_display = ["id", "tenant", "user", "state", "reason", "created_at", "review_link"]
    list_select_related = ["tenant", "user"]
    list_filter = [BY_TENANT, "state"]
    search_fields = ["id__exact", "user__user_id__exact"]
    search_help_text = "The id of an avatar or of a user."
    list_before_template = "avatars/queue_link.html"
    ordering = ["-id"]
    actions = ["redrive"]
    fields = [
        *("review_link", "id", "tenant", "user", "state", "reason", "detail", "found", "decided", "what_happened"),
        *("source_format", "width", "height", "step", "due_at", "attempts", "created_at", "appealed_at"),
    ]
    readonly_fields = fields

    @override
    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("review/", view(require_GET(self.queue_view)), name="avatars_avatar_queue"),
            path("<uuid:avatar_id>/review/", view(require_GET(self.one_view)), name="avatars_avatar_review"),
            path("<uuid:avatar_id>/decide/", view(require_POST(self.decide_view)), name="avatars_avatar_decide"),
            path("<uuid:avatar_id>/picture/", view(require_GET(self.picture_view)), name="avatars_avatar_picture"),
        ]
        return [*own, *super().get_urls()]

    @override
    def get_queryset(self, request: HttpRequest) -> QuerySet[Avatar]:
        return _avatars(super().get_queryset(request))

    @admin.action(description="Redrive: try the failed step again", permissions=["operate"])
    def redrive(self, request: HttpRequest, queryset: QuerySet[Avatar]) -> None:
        def service(row: Avatar) -> str:
            avatar_redrive(tenant=row.tenant, avatar_id=row.id)
            return "is tried again"

        self.operate(request, queryset, service)

    # the review queue

    def queue_view(self, request: HttpRequest) -> HttpResponse:
        """The oldest avatar in review. `?tenant=` shows one tenant's only, `?after=` skips to the next without a
        decision."""
        _check_reviewer(request)
        waiting = _waiting(request.GET)
        after = _uuid(request.GET.get("after"))
        avatar = (waiting.filter(id__gt=after).first() if after else None) or waiting.first()
        if avatar is None:
            return TemplateResponse(request, "avatars/queue_empty.html", self._context(request))
        return self._review(request, avatar, waiting=waiting[:1000].count())

    def one_view(self, request: HttpRequest, avatar_id: UUID) -> HttpResponse:
        _check_reviewer(request)
        return self._review(request, _get(avatar_id), waiting=None)

    def _review(self, request: HttpRequest, avatar: Avatar, *, waiting: int | None) -> HttpResponse:
        moderation = moderation_latest(avatar=avatar)
        labels = sorted(moderation.labels, key=lambda label: -label["Confidence"]) if moderation else []
        context = {
            "avatar": avatar,
            "moderation": moderation,
            "labels": labels,
            "past": [(one.created_at, one.reviewer or "policy", _why(one)) for one in _decisions(avatar)],
            "waiting": waiting,
            "decidable": _decidable(avatar),
            "seen": avatar_revision(avatar=avatar),
            "sentences": SENTENCES,
            "query": _narrowed(request.GET),
            "next": _queue_url(request.GET, after=avatar.id),
        }
        return TemplateResponse(request, "avatars/review.html", {**self._context(request), **context})

    def decide_view(self, request: HttpRequest, avatar_id: UUID) -> HttpResponse:
        """Decide, and show the next avatar of the queue. If another reviewer was faster, a warning says so."""
        _check_reviewer(request)
        form = DecisionForm(request.POST)
        if not form.is_valid():
            sentences = [str(error) for errors in form.errors.values() for error in errors]
            messages.error(request, " ".join(sentences))
            return HttpResponseRedirect(reverse("admin:avatars_avatar_review", args=[avatar_id]))
        try:
            self._decide(request, _get(avatar_id), **form.cleaned_data)
        except ApiError as error:
            messages.warning(request, f"{avatar_id}: {error.detail}")
        return HttpResponseRedirect(_queue_url(request.GET))

    def _decide(
        self, request: HttpRequest, avatar: Avatar, *, action: ModerationAction, reason: str, seen: str
    ) -> None:
        by = request.user.get_username()
        with transaction.atomic():
            avatar_decide(
                tenant=avatar.tenant, avatar_id=avatar.id, action=action, reason=reason, reviewer=by, seen=seen
            )
            self.log_change(request, avatar, f"{action}: {reason}" if reason else str(action))
        done = "approved" if action == ModerationAction.APPROVE else "rejected"
        messages.success(request, f"{avatar.user.user_id}: {done}")

    def picture_view(self, request: HttpRequest, avatar_id: UUID) -> HttpResponse:
        """The private master: for reviewers only, and never cached."""
        _check_reviewer(request)
        avatar = _get(avatar_id)
        try:
            body = storage_get().get(avatar.master_key, max_bytes=MASTER_MAX_BYTES) if avatar.master_key else None
        except (ObjectMissing, ObjectTooLarge):
            body = None
        except StorageRetry:
            return HttpResponse("The store is not available.", status=503, content_type="text/plain")
        if body is None:
            raise Http404("The picture is no longer kept.")
        response = HttpResponse(body, content_type=keys.content_type(avatar.master_key))
        response["X-Content-Type-Options"] = "nosniff"
        response["Cache-Control"] = "private, no-store"
        response["Content-Security-Policy"] = "default-src 'none'; sandbox"
        response["Cross-Origin-Resource-Policy"] = "same-origin"
        return response

    def _context(self, request: HttpRequest) -> dict[str, Any]:
        back = reverse("admin:avatars_avatar_changelist")
        return {**self.admin_site.each_context(request), "title": "Review pictures", "opts": self.opts, "back": back}

    # the pages of one avatar

    @admin.display(description="review")
    def review_link(self, row: Avatar) -> str:
        if not _decidable(row):
            return "—"
        return format_html('<a href="{}">Review</a>', reverse("admin:avatars_avatar_review", args=[row.id]))

    @admin.display(description="labels")
    def found(self, row: Avatar) -> str:
        moderation = moderation_latest(avatar=row)
        if moderation is None:
            return "no engine has labelled it"
        found = ", ".join(f"{label['Name']} {label['Confidence']:.1f}" for label in moderation.labels) or "none"
        return f"{found} (by {moderation.engine}, {moderation.model_version})"

    @admin.display(description="decisions")
    def decided(self, row: Avatar) -> str:
        lines = ((_when(one.created_at), one.reviewer or "policy", _why(one)) for one in _decisions(row))
        return format_html_join("", "<p>{} {}: {}</p>", lines) or "—"

    @admin.display(description="what happened")
    def what_happened(self, row: Avatar) -> str:
        lines = ((_when(one.created_at), one.what, one.outcome, one.detail) for one in timeline(avatar=row))
        return format_html_join("", "<p>{} {} {} {}</p>", lines) or "—"


class PolicyForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    class Meta:
        model = AvatarPolicy
        fields = "__all__"  # noqa: DJ007 - the page is the tenant's whole policy

    def clean_thresholds(self) -> dict[str, Any]:
        thresholds: dict[str, Any] = self.cleaned_data["thresholds"] or {}
        try:
            policy_parse(thresholds)
        except PolicyInvalid as invalid:
            raise forms.ValidationError(str(invalid)) from None
        return thresholds

    def clean_texts(self) -> dict[str, Any]:
        texts: dict[str, Any] = self.cleaned_data["texts"] or {}
        try:
            texts_check(texts)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None
        return texts


@admin.register(AvatarPolicy)
class AvatarPolicyAdmin(FastAdmin):
    form = PolicyForm
    list_display = ["tenant", "engine_down", "appeal_days", "push", "cdn_base_url"]
    list_select_related = ["tenant"]
    search_fields = ["tenant__slug__exact"]
    search_help_text = "A tenant's slug."

    @override
    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["tenant"] if obj else []


def _check_reviewer(request: HttpRequest) -> None:
    if not request.user.has_perm("avatars.change_avatar"):
        raise PermissionDenied


def _get(avatar_id: UUID) -> Avatar:
    found = _avatars(Avatar.objects.select_related("tenant", "user")).filter(id=avatar_id).first()
    if found is None:
        raise Http404
    return found


def _avatars(avatars: QuerySet[Avatar]) -> QuerySet[Avatar]:
    """Each with `kept`: whether the store still has its master."""
    return avatars.annotate(kept=MASTER_KEPT)


def _decidable(avatar: Avatar) -> bool:
    """A rejection can be reviewed again while its picture is kept."""
    waits = avatar.state in {AvatarState.IN_REVIEW, AvatarState.APPROVED}
    return waits or (avatar.state == AvatarState.REJECTED and bool(getattr(avatar, "kept", False)))


def _waiting(query: QueryDict) -> QuerySet[Avatar]:
    avatars = _avatars(Avatar.objects.select_related("tenant", "user"))
    waiting = avatars.filter(state=AvatarState.IN_REVIEW).order_by("id")
    tenant = query.get("tenant")
    return waiting.filter(tenant__slug=tenant) if tenant else waiting


def _narrowed(query: QueryDict) -> str:
    found = QueryDict(mutable=True)
    if query.get("tenant"):
        found["tenant"] = str(query["tenant"])
    return found.urlencode()


def _queue_url(query: QueryDict, *, after: UUID | None = None) -> str:
    found = QueryDict(_narrowed(query), mutable=True)
    if after:
        found["after"] = str(after)
    return f"{reverse('admin:avatars_avatar_queue')}?{found.urlencode()}"


def _decisions(avatar: Avatar) -> list[Decision]:
    return list(Decision.objects.filter(avatar=avatar).order_by("id"))


def _why(decision: Decision) -> str:
    """The policy's causes name its action."""
    return "; ".join(map(str, decision.causes)) or f"{decision.action} {decision.reason}".strip()


def _when(moment: datetime) -> str:
    return localtime(moment).strftime("%Y-%m-%d %H:%M:%S")


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text or "")
    except ValueError:
        return None
