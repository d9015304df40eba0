"""The model field of a sealed value. It declares the purpose under which the value is sealed."""

from typing import Any

from django.db.models import BinaryField
from typing_extensions import override

from pushhub.kernel.purposes import Purpose


class SealedField(BinaryField):  # type: ignore[type-arg]  # generic in the stubs only
    """A BinaryField for what `pushhub.kernel.crypto.seal` returns for `purpose`; its name ends in `_sealed`.

    `manage.py encryption_rotate` finds every column of this kind. Migrations see a BinaryField: the purpose is no part
    of the schema.
    """

    def __init__(self, *, purpose: Purpose, **options: Any) -> None:
        super().__init__(**options)
        self.purpose = purpose

    @override
    def deconstruct(self) -> Any:
        name, _, arguments, options = super().deconstruct()
        return name, "django.db.models.BinaryField", arguments, options

    @override
    def clone(self) -> "SealedField":
        _, _, _, options = self.deconstruct()
        return SealedField(purpose=self.purpose, **options)
