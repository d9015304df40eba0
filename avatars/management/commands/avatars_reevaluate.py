"""`manage.py avatars_reevaluate [--tenant SLUG] [--dry-run]`: apply the present policy to stored labels."""

from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from avatars.services.reevaluation import Reevaluation, avatars_reevaluated, reevaluation_apply
from pushhub.kernel.errors import ApiError
from tenants.models import Tenant

PROGRESS_EVERY = 500


class Command(BaseCommand):
    help = "Apply the present policy to the stored labels; no engine is asked. Decisions of people stay."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", metavar="SLUG", help="Only this tenant's avatars.")
        parser.add_argument("--dry-run", action="store_true", help="Show what would change, and change nothing.")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        tenants = Tenant.objects.order_by("slug")
        if options["tenant"]:
            tenants = tenants.filter(slug=options["tenant"])
            if not tenants.exists():
                raise CommandError(f"There is no tenant {options['tenant']}.")
        seen = Counter[str]()
        for tenant in tenants:
            for reevaluation in avatars_reevaluated(tenant=tenant):
                self._one(tenant, reevaluation, seen, dry_run=options["dry_run"])
        self._sum_up(seen, dry_run=options["dry_run"])

    def _one(self, tenant: Tenant, reevaluation: Reevaluation, seen: Counter[str], *, dry_run: bool) -> None:
        seen["checked"] += 1
        if reevaluation.action is not None:
            outcome = "would change" if dry_run else self._apply(tenant, reevaluation)
            seen[f"{reevaluation.state} → {reevaluation.action}: {outcome}"] += 1
            about = f"{reevaluation.state} → {reevaluation.action} ({reevaluation.causes})"
            self.stdout.write(f"{tenant.slug} {reevaluation.avatar_id} {about}: {outcome}")
        if seen["checked"] % PROGRESS_EVERY == 0:
            self.stderr.write(f"… {seen['checked']:,} checked")

    def _apply(self, tenant: Tenant, reevaluation: Reevaluation) -> str:
        try:
            applied = reevaluation_apply(tenant=tenant, reevaluation=reevaluation)
        except ApiError as error:
            return f"not changed: {error.detail}"
        return "changed" if applied else "not changed: another decision was made since"

    def _sum_up(self, seen: Counter[str], *, dry_run: bool) -> None:
        total = seen.pop("checked", 0)
        self.stdout.write(f"{total:,} checked, {seen.total():,} {'would change' if dry_run else 'differ'}")
        for what, count in sorted(seen.items()):
            self.stdout.write(f"  {count:,} {what}")
