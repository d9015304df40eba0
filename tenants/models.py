"""The users of this installation: tenants, their keys and their end users. Unique constraints start with the tenant."""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from typing_extensions import override

from pushhub.kernel.ids import uuid7
from pushhub.kernel.purposes import Purpose
from pushhub.kernel.sealed_field import SealedField

# Links with these schemes run code, read files, or open another app with data of the sender. The list is a second line
# of defence: only registered schemes are allowed at all.
_NEVER_LINKED = (
    "about|android-app|blob|chrome|chrome-extension|content|data|feed|file|filesystem|ftps?|gopher|https?|intent|ios-app|"
    "jar|javascript|ldap|market|mhtml|mk|moz-extension|ms-appx|ms-its|resource|sftp|smb|ssh|telnet|vbscript|view-source|wss?"
)
LINK_SCHEME = RegexValidator(
    rf"^(?!({_NEVER_LINKED})\Z)[a-z][a-z0-9+.-]{{1,39}}\Z",
    "The scheme of an app's own links has 2 to 40 characters of a-z, 0-9, '+', '.' and '-', such as acme. Schemes of "
    "browsers and systems, such as http and intent, cannot be registered.",
)


class Tenant(models.Model):
    """A customer of this installation. Every other row belongs to exactly one tenant."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.CharField(
        max_length=63, unique=True, validators=[RegexValidator(r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?\Z")]
    )
    name = models.CharField(max_length=200, blank=True)
    is_active = models.BooleanField(default=True)
    cors_origins = ArrayField(
        models.CharField(max_length=255, validators=[RegexValidator(r"^https?://[^/\s*]+\Z")]),
        default=list,
        blank=True,
        help_text="Exact origins whose pages may call the API, such as https://app.example.com. No wildcards.",
    )
    push_hosts = ArrayField(
        models.CharField(
            max_length=255, validators=[RegexValidator(r"^(\*|(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*)(:[0-9]{1,5})?\Z")]
        ),
        default=list,
        blank=True,
        help_text="Web push hosts allowed in addition to the public vendors: push.example.org, *.example.org, or * for "
        "any host.",
    )
    link_schemes = ArrayField(
        models.CharField(max_length=40, validators=[LINK_SCHEME]),
        default=list,
        blank=True,
        size=20,
        help_text="Schemes of links that open the tenant's own apps: acme for acme://order/7. Empty: only https links.",
    )
    rate_limits = models.JSONField(
        default=dict,
        blank=True,
        help_text='Requests per minute: {"server": 12000} for all server keys together, {"user": 600} for each user.',
    )
    device_retire_days = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Devices that were not seen for this many days are retired. Empty: the installation's default.",
    )
    deliveries_per_second = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="The rate limit on all deliveries of the tenant together. Empty: no limit.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    @override
    def __str__(self) -> str:
        return self.slug


class ApiKey(models.Model):
    """A server key `phk_<prefix>_<secret>`. Only the SHA-256 of its 256-bit secret is stored."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100, blank=True)
    prefix = models.CharField(max_length=16, unique=True, editable=False)
    secret_hash = models.BinaryField(max_length=32, editable=False)
    scopes = ArrayField(models.CharField(max_length=40))
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "API key"

    @override
    def __str__(self) -> str:
        return f"phk_{self.prefix}_…"


class IdentityKey(models.Model):
    """A key that signs the tenant's user tokens. A tenant may have several, which differ by `kid`."""

    class Algorithm(models.TextChoices):
        HS256 = "HS256"
        ES256 = "ES256"
        RS256 = "RS256"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="identity_keys")
    kid = models.CharField(max_length=64)
    alg = models.CharField(max_length=5, choices=Algorithm)
    secret_sealed = SealedField(purpose=Purpose.IDENTITY_KEY, null=True, editable=False)
    public_key = models.TextField(blank=True, help_text="PEM, for ES256 and RS256.")
    revoked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "kid"], name="identity_key_kid")]

    @override
    def __str__(self) -> str:
        return f"{self.kid} ({self.alg})"


class EndUser(models.Model):
    """A user of the tenant, with the tenant's own user id. The first request that names a user id creates the row."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="end_users")
    user_id = models.CharField(max_length=255)
    attributes = models.JSONField(default=dict, blank=True)
    locale = models.CharField(max_length=35, blank=True, help_text="BCP 47, such as pt-BR.")
    timezone = models.CharField(max_length=64, blank=True, help_text="IANA name, such as Europe/Lisbon.")
    picture = models.JSONField(
        null=True, blank=True, editable=False, help_text="The published avatar: its id and the URLs of its sizes."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "user_id"], name="end_user_user_id")]
        # For operators who search for a user without knowing the tenant.
        indexes = [models.Index(fields=["user_id"], name="end_user_search")]

    @override
    def __str__(self) -> str:
        return self.user_id


class IdempotencyRecord(models.Model):
    """The committed response to a POST that creates an object. A repeated request with the same key gets it again for
    24 hours."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    caller = models.CharField(max_length=300, help_text="`key:<prefix>` or `user:<user id>`.")
    route = models.CharField(max_length=200)
    key = models.CharField(max_length=255)
    body_hash = models.BinaryField(max_length=32)
    status = models.PositiveSmallIntegerField()
    response_sealed = SealedField(purpose=Purpose.IDEMPOTENT_RESPONSE)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "caller", "route", "key"], name="idempotency_record_key"),
        ]

    @override
    def __str__(self) -> str:
        return f"{self.route} {self.key}"
