"""Key pairs of an app, for vendors whose endpoints are bound to the key they were made with."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

from providers.fields import Group


class KeyInvalid(ValueError):
    """A key or contact that the vendor would not take. The text is a sentence for its owner, without any secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """`id` is ours; `public` is the text that clients subscribe with; `contact` is what the vendor may write to."""

    id: str = ""
    private: bytes = field(repr=False)
    public: str
    contact: str = ""


class KeyScheme(ABC):
    """How the keys of a provider's apps are made. `body` describes what a caller may say of a new key."""

    body: ClassVar[Group]

    @abstractmethod
    def generate(self) -> KeyPair:
        """A new pair."""

    @abstractmethod
    def read(self, private_key: str) -> KeyPair:
        """An imported pair. Raises KeyInvalid."""

    @abstractmethod
    def contact_check(self, contact: str) -> str:
        """The contact, if the vendor takes it. Raises KeyInvalid."""
