"""The gRPC server. Its methods are those of the REST router, so both transports have one implementation.

It has two ports of its own on loopback, without and with TLS, to which `tunnel` passes the connections of localcloud's
port. Requests must have the token in the metadata `authorization`.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from localcloud.grpc_api.certificate import Certificate
from localcloud.grpc_api.methods import METHODS, Method
from localcloud.grpc_api.transcoding import response, rest_request
from localcloud.rest.access import MAX_BODY_BYTES, check_token
from localcloud.rest.router import ApiError, Call, JsonObject, Router, enum_name, invalid

HOST = "127.0.0.1"
_Unary = Callable[[Any, Any], Awaitable[Any]]
"""Takes a request and its context (grpc.aio.ServicerContext), returns the response."""


class GrpcServer:
    """Serves the router's methods by gRPC, to clients that have the token."""

    def __init__(self, router: Router, token: str, certificate: Certificate) -> None:
        options = [("grpc.max_receive_message_length", MAX_BODY_BYTES), ("grpc.so_reuseport", 0)]
        self._server = grpc.aio.server(handlers=[_Handlers(router, token)], options=options)
        self.port = self._server.add_insecure_port(f"{HOST}:0")
        credentials = grpc.ssl_server_credentials([(certificate.key, certificate.chain)])
        self.tls_port = self._server.add_secure_port(f"{HOST}:0", credentials)

    async def start(self) -> None:
        """Start answering on both ports."""
        await self._server.start()

    async def stop(self) -> None:
        """Close every connection, even during a call."""
        await self._server.stop(grace=None)


class _Handlers(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Finds the handler of a request. Those without the token get one that refuses them."""

    def __init__(self, router: Router, token: str) -> None:
        self._router = router
        self._token = token

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        try:
            check_token(dict(details.invocation_metadata).get("authorization", ""), self._token)
            method = _find(details.method)
        except ApiError as error:
            return grpc.unary_unary_rpc_method_handler(_refuse(error))
        return grpc.unary_unary_rpc_method_handler(
            self._serve(method),
            request_deserializer=method.request.FromString,
            response_serializer=method.response.SerializeToString,
        )

    def _serve(self, method: Method) -> _Unary:
        async def serve(request: Any, context: Any) -> Any:
            try:
                return await self._call(method, request)
            except ApiError as error:
                return await _refuse(error)(request, context)

        return serve

    async def _call(self, method: Method, request: Any) -> Any:
        rest = rest_request(method, request)
        route, variables = self._router.find(method.verb, rest.path)
        if route.name.replace("_", "").lower() != method.name.lower():  # such as a queue's name for GetTask
            raise invalid(f"Invalid resource name for {method.name}: {rest.path[:200]!r}")
        result = await self._router.call(route, Call(variables, rest.query, rest.body))
        return response(method, _without_enums(result))


def _find(path: str) -> Method:
    if path not in METHODS:
        raise ApiError("UNIMPLEMENTED", f"{path.strip('/')} is not a method that localcloud supports.")
    return METHODS[path]


def _refuse(error: ApiError) -> _Unary:
    async def refuse(_: Any, context: Any) -> Any:
        await context.abort(grpc.StatusCode[error.status], str(error))

    return refuse


def _without_enums(result: JsonObject) -> JsonObject:
    plain: JsonObject = json.loads(json.dumps(result, default=enum_name))
    return plain
