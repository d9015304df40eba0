"""`/v1/users/{user_id}`: profile, erasure, user tokens."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from pushhub.http.api import ApiView
from pushhub.http.openapi import documented
from pushhub.kernel.errors import ApiError, ErrorCode
from tenants.api import examples
from tenants.api.serializers import (
    TokenResponse,
    TokenSerializer,
    UserReplaceSerializer,
    UserResponse,
    UserUpdateSerializer,
)
from tenants.callers import caller_of, require_own_user, require_server
from tenants.erasure import end_user_erase
from tenants.idempotency import idempotent
from tenants.scopes import Scope
from tenants.selectors import end_user_get_for_tenant
from tenants.services import end_user_replace, end_user_update, user_token_issue


class UserView(ApiView):
    required_scopes = {
        "GET": Scope.USERS_READ,
        "PUT": Scope.USERS_WRITE,
        "PATCH": Scope.USERS_WRITE,
        "DELETE": Scope.USERS_WRITE,
    }
    allow_user_token = True

    @documented(summary="Read a user", responses={200: UserResponse}, response_examples={200: examples.USER})
    def get(self, request: Request, user_id: str) -> Response:
        caller = caller_of(request)
        require_own_user(caller, user_id)
        return Response(UserResponse(end_user_get_for_tenant(tenant=caller.tenant, user_id=user_id)).data)

    @documented(
        summary="Create or replace a user",
        description="For server keys. The first device that names a user creates the user, too.",
        request=UserReplaceSerializer,
        responses={200: UserResponse, 201: UserResponse},
        examples=examples.USER_PUT,
        response_examples={200: examples.USER, 201: examples.NEW_USER},
        server_only=True,
    )
    def put(self, request: Request, user_id: str) -> Response:
        require_server(caller_of(request))
        user, created = end_user_replace(
            tenant=caller_of(request).tenant, user_id=user_id, **UserReplaceSerializer.read(request)
        )
        return Response(UserResponse(user).data, status=201 if created else 200)

    @documented(
        summary="Change a user",
        description="A user token may change the locale and time zone of its own user. Attributes need a server key.",
        request=UserUpdateSerializer,
        responses={200: UserResponse},
        examples=examples.USER_PATCH,
        response_examples={200: examples.USER},
    )
    def patch(self, request: Request, user_id: str) -> Response:
        caller = caller_of(request)
        require_own_user(caller, user_id)
        changes: dict[str, Any] = UserUpdateSerializer.read(request)
        if "attributes" in changes and not caller.is_server:
            raise ApiError(
                ErrorCode.FORBIDDEN, detail="Only a server key may change attributes.", pointer="/attributes"
            )
        return Response(UserResponse(end_user_update(tenant=caller.tenant, user_id=user_id, changes=changes)).data)

    @documented(
        summary="Erase a user",
        description="For server keys. Also deletes devices, subscriptions and personal data. A repeated request has "
        "the same response.",
        responses={204: None},
        server_only=True,
    )
    def delete(self, request: Request, user_id: str) -> Response:
        require_server(caller_of(request))
        end_user_erase(tenant=caller_of(request).tenant, user_id=user_id)
        return Response(status=204)


class UserTokenView(ApiView):
    required_scopes = {"POST": Scope.USERS_WRITE}

    @documented(
        summary="Create a user token",
        description="The token is signed with the tenant's newest HS256 identity key. The user does not have to exist.",
        request=TokenSerializer,
        responses={201: TokenResponse},
        examples=examples.TOKEN_POST,
        response_examples={201: examples.TOKEN},
        errors=[ErrorCode.CONFLICT],
        idempotent=True,
    )
    def post(self, request: Request, user_id: str) -> Response:
        data = TokenSerializer.read(request)
        tenant = caller_of(request).tenant

        def work() -> tuple[int, Any]:
            return 201, TokenResponse(user_token_issue(tenant=tenant, user_id=user_id, **data)).data

        return idempotent(request, work)
