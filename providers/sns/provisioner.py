"""SNS's platform endpoints, as `devices.provisioning` brings them in line."""

from collections.abc import Mapping

from typing_extensions import override

from providers.apps import AppRecord
from providers.provisioning import ProvisionedEndpoint, Provisioner
from providers.sns.endpoints import endpoint_delete, endpoint_ensure
from providers.sns.quota import call_rate
from providers.sns.types import SnsCredentials
from providers.types import Credentials


class SnsProvisioner(Provisioner):
    @override
    def ensure(
        self, *, credentials: Credentials, app: AppRecord, address: Mapping[str, str], known: str
    ) -> ProvisionedEndpoint:
        assert isinstance(credentials, SnsCredentials)
        return endpoint_ensure(
            credentials=credentials,
            platform_application_arn=app.platform_application_arn,
            platform=app.sns_platform,
            token=address["token"],
            known_arn=known or None,
        )

    @override
    def call_rate(self, region: str) -> int:
        return call_rate(region)

    @override
    def delete(self, *, credentials: Credentials, endpoint_arn: str) -> None:
        assert isinstance(credentials, SnsCredentials)
        endpoint_delete(credentials=credentials, endpoint_arn=endpoint_arn)
