"""The VAPID keys of a web push app, as other packages see them."""

from typing import ClassVar

from typing_extensions import override

from providers.fields import Group, Text
from providers.keys import KeyPair, KeyScheme
from providers.webpush.base64url import b64url
from providers.webpush.vapid import vapid_key_generate, vapid_key_import, vapid_sub_check


class VapidKeys(KeyScheme):
    """`KeyPair.private` is the 32-byte scalar, `public` the base64url of the 65-byte point."""

    body: ClassVar[Group] = Group(
        name="vapid",
        component="Vapid",
        fields=(
            Text(
                name="private_key",
                multiline=True,
                max_length=4096,
                help="PEM or base64url, to import; else one is made.",
            ),
            Text(name="sub", max_length=255, help="mailto: or https:, at a real domain."),
        ),
    )

    @override
    def generate(self) -> KeyPair:
        made = vapid_key_generate()
        return KeyPair(private=made.private_key, public=b64url(made.public_key))

    @override
    def read(self, private_key: str) -> KeyPair:
        key = vapid_key_import(private_key)
        return KeyPair(private=key.private_key, public=b64url(key.public_key))

    @override
    def contact_check(self, contact: str) -> str:
        return vapid_sub_check(contact)
