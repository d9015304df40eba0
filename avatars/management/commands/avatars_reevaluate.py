"""`manage.py avatars_reevaluate [--tenant SLUG] [--dry-run]`: stored labels under the present policy."""

from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from avatars.services.reevaluation import Looked, avatars_reevaluated, reevaluation_apply
from pushhub.kernel.errors import ApiError
from tenants.models import Tenant

PROGRESS_EVERY = 500


class Command(BaseCommand):
    help = "Apply the present policy to the labels that are stored; no engine is asked. People's decisions stand."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", metavar="SLUG", help="Only this tenant's avatars.")
        parser.add_argument("--dry-run", action="store_true", help="Say what would change, and change nothing.")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        tenants = Tenant.objects.order_by("slug")
        if options["tenant"]:
            tenants = tenants.filter(slug=options["tenant"])
            if not tenants.exists():
                raise CommandError(f"There is no tenant {options['tenant']}.")
        seen = Counter[str]()
        for tenant in tenants:
            for looked in avatars_reevaluated(tenant=tenant):
                self._one(tenant, looked, seen, dry_run=options["dry_run"])
        self._sum_up(seen, dry_run=options["dry_run"])

    def _one(self, tenant: Tenant, looked: Looked, seen: Counter[str], *, dry_run: bool) -> None:
        seen["looked at"] += 1
        if looked.verdict is not None:
            outcome = "would change" if dry_run else self._apply(tenant, looked)
            seen[f"{looked.state} → {looked.verdict}: {outcome}"] += 1
            about = f"{looked.state} → {looked.verdict} ({looked.because})"
            self.stdout.write(f"{tenant.slug} {looked.avatar_id} {about}: {outcome}")
        if seen["looked at"] % PROGRESS_EVERY == 0:
            self.stderr.write(f"… {seen['looked at']:,} looked at")

    def _apply(self, tenant: Tenant, looked: Looked) -> str:
        try:
            return "changed" if reevaluation_apply(tenant=tenant, looked=looked) else "has moved on meanwhile"
        except ApiError as error:
            return f"left: {error.detail}"

    def _sum_up(self, seen: Counter[str], *, dry_run: bool) -> None:
        total = seen.pop("looked at", 0)
        self.stdout.write(f"{total:,} looked at, {seen.total():,} {'would change' if dry_run else 'differ'}")
        for what, count in sorted(seen.items()):
            self.stdout.write(f"  {count:,} {what}")
