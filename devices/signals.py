"""What other rooms may want to hear of this one, which may not import them."""

from django.dispatch import Signal

# Inside the transaction that changes it. Sent with app_id: UUID, tenant_id: UUID, state: AppState, reason: str.
app_state_changed = Signal()
