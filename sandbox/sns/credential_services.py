"""The two services that lead to SNS credentials: STS AssumeRole (`/sts`) and SSM GetParameter (`/ssm`)."""

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from sandbox.outage import Outage
from sandbox.sns.calls import CallLog
from sandbox.sns.sigv4 import Identity, Keyring
from sandbox.sns.wire import AwsError, parse_form, required, xml_error, xml_response

_SESSION_SECONDS = 3_600


@dataclass(frozen=True, slots=True)
class Role:
    arn: str
    account: str
    external_id: str


class CredentialServices:
    def __init__(self, *, keyring: Keyring, calls: CallLog, outage: Outage) -> None:
        self.roles: dict[str, Role] = {}
        self.parameters: dict[tuple[str, str, str], str] = {}
        self._keyring = keyring
        self._calls = calls
        self._outage = outage

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/sts", self._sts),
            web.post("/sts/", self._sts),
            web.post("/ssm", self._ssm),
            web.post("/ssm/", self._ssm),
        ]

    async def _sts(self, request: web.Request) -> web.Response:
        down = await self._outage.play(request, "sns")
        if down is not None:
            return down
        body = await request.read()
        identity, fields = Identity("", "", ""), {}
        try:
            identity = self._keyring.verify(request, body, "sts")
            fields = parse_form(body)
            if fields.get("Action") != "AssumeRole":
                raise AwsError("InvalidAction", "The sandbox knows AssumeRole only")
            result = self._assume(identity, fields)
        except AwsError as error:
            self._log("AssumeRole", identity, fields.get("RoleArn", ""), error.code)
            return xml_error("sts", error)
        self._log("AssumeRole", identity, fields["RoleArn"], "OK")
        return xml_response("sts", "AssumeRole", result)

    def _assume(self, identity: Identity, fields: Mapping[str, str]) -> dict[str, Any]:
        """A wrong ExternalId and a missing role give the same AccessDenied, as on AWS."""
        arn, session = required(fields, "RoleArn"), required(fields, "RoleSessionName")
        role = self.roles.get(arn)
        if role is None or (role.external_id and fields.get("ExternalId") != role.external_id):
            message = f"User: {identity.principal} is not authorized to perform: sts:AssumeRole on resource: {arn}"
            raise AwsError("AccessDenied", message, status=403)
        seconds = int(fields.get("DurationSeconds", _SESSION_SECONDS))
        principal = f"{arn.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/{session}"
        issued = self._keyring.issue(account=role.account, principal=principal, seconds=seconds)
        return {
            "AssumedRoleUser": {"Arn": principal, "AssumedRoleId": f"AROA{secrets.token_hex(8).upper()}:{session}"},
            "Credentials": {
                "AccessKeyId": issued.access_key_id,
                "SecretAccessKey": issued.secret_access_key,
                "SessionToken": issued.session_token,
                "Expiration": datetime.fromtimestamp(issued.expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
        }

    async def _ssm(self, request: web.Request) -> web.Response:
        down = await self._outage.play(request, "sns")
        if down is not None:
            return down
        body = await request.read()
        identity, name = Identity("", "", ""), ""
        try:
            identity = self._keyring.verify(request, body, "ssm")
            if request.headers.get("X-Amz-Target") != "AmazonSSM.GetParameter":
                raise AwsError("UnknownOperationException", "The sandbox knows GetParameter only")
            name = _parameter_name(body)
            parameter = self._parameter(identity, name)
        except AwsError as error:
            self._log("GetParameter", identity, name, error.code)
            return _json({"__type": error.code, "message": error.message}, error.status)
        self._log("GetParameter", identity, name, "OK")
        return _json({"Parameter": parameter}, 200)

    def _parameter(self, identity: Identity, name: str) -> dict[str, Any]:
        value = self.parameters.get((identity.account, identity.region, name))
        if value is None:
            raise AwsError("ParameterNotFound", "")
        arn = f"arn:aws:ssm:{identity.region}:{identity.account}:parameter/{name.lstrip('/')}"
        found = {"Name": name, "Type": "SecureString", "Value": value, "Version": 1, "ARN": arn, "DataType": "text"}
        return found | {"LastModifiedDate": time.time()}

    def _log(self, action: str, identity: Identity, target: str, code: str) -> None:
        self._calls.record(action=action, account=identity.account, region=identity.region, target=target, code=code)


def _parameter_name(body: bytes) -> str:
    try:
        parameters = json.loads(body)
        return str(parameters["Name"])
    except (ValueError, TypeError, KeyError):
        raise AwsError("ValidationException", "Name is required") from None


def _json(content: dict[str, Any], status: int) -> web.Response:
    return web.Response(status=status, body=json.dumps(content).encode(), content_type="application/x-amz-json-1.1")
