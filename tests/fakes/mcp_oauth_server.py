"""An MCP server that needs OAuth, with its authorization server, both of the official package, in a process of its own.

The authorization server registers clients, verifies PKCE, redirect addresses and resources, rotates refresh tokens, and
takes a second use of one for a theft: it then revokes all tokens. A request to its authorization address is consent.
It knows clients by the address of their metadata, too. A call of the tool `publish` demands the scope `write`.
`control` changes how it behaves and reads what it has seen.
"""

import json
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from tests.harness.paths import ROOT

if TYPE_CHECKING:
    from mcp.server.auth.provider import AccessToken, AuthorizationCode, AuthorizationParams, RefreshToken
    from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
    from starlette.requests import Request
    from starlette.responses import Response

LIFETIME_S = 3600


class Provider:
    """Clients, codes and tokens in memory. `seen` counts requests; `lifetime_s` is that of the next access tokens."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.lifetime_s = LIFETIME_S
        self.wait_s = 0.0
        self.clients: dict[str, OAuthClientInformationFull] = {}
        self.codes: dict[str, AuthorizationCode] = {}
        self.access: dict[str, AccessToken] = {}
        self.refresh: dict[str, RefreshToken] = {}
        self.used: set[str] = set()
        self.reads_documents = False
        self.seen = {"documents": 0, "refreshed": 0, "stolen": 0, "revoked": 0}

    async def get_client(self, client_id: str) -> "OAuthClientInformationFull | None":
        if client_id not in self.clients and self.reads_documents and client_id.startswith("http://127.0.0.1:"):
            await self._read_document(client_id)
        return self.clients.get(client_id)

    async def _read_document(self, url: str) -> None:
        """Know a client by its metadata, which must have its own address."""
        import httpx
        from mcp.shared.auth import OAuthClientInformationFull

        self.seen["documents"] += 1
        async with httpx.AsyncClient(trust_env=False) as http:
            found = (await http.get(url)).json()
        if found["client_id"] == url:
            self.clients[url] = OAuthClientInformationFull.model_validate({**found, "scope": "notes write"})

    async def register_client(self, client_info: "OAuthClientInformationFull") -> None:
        assert client_info.client_id
        self.clients[client_info.client_id] = client_info

    async def authorize(self, client: "OAuthClientInformationFull", params: "AuthorizationParams") -> str:
        from mcp.server.auth.provider import AuthorizationCode, AuthorizeError, construct_redirect_uri

        if params.resource != f"{self.url}/mcp":
            raise AuthorizeError("invalid_target", f"unknown resource {params.resource}")
        assert client.client_id
        code = AuthorizationCode(
            code=secrets.token_urlsafe(20),
            scopes=params.scopes or [],
            expires_at=time.time() + 60,
            client_id=client.client_id,
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=True,
            resource=params.resource,
        )
        self.codes[code.code] = code
        return construct_redirect_uri(str(params.redirect_uri), code=code.code, state=params.state, iss=self.url)

    async def load_authorization_code(
        self, client: "OAuthClientInformationFull", authorization_code: str
    ) -> "AuthorizationCode | None":
        return self.codes.pop(authorization_code, None)

    async def exchange_authorization_code(
        self, client: "OAuthClientInformationFull", authorization_code: "AuthorizationCode"
    ) -> "OAuthToken":
        return self._issue(client, authorization_code.scopes, authorization_code.resource)

    async def load_refresh_token(
        self, client: "OAuthClientInformationFull", refresh_token: str
    ) -> "RefreshToken | None":
        if refresh_token in self.used:
            self.seen["stolen"] += 1
            self.access.clear()
            self.refresh.clear()
        return self.refresh.get(refresh_token)

    async def exchange_refresh_token(
        self, client: "OAuthClientInformationFull", refresh_token: "RefreshToken", scopes: list[str]
    ) -> "OAuthToken":
        import anyio

        self.seen["refreshed"] += 1
        self.used.add(refresh_token.token)
        del self.refresh[refresh_token.token]
        await anyio.sleep(self.wait_s)
        return self._issue(client, scopes, refresh_token.resource)

    async def load_access_token(self, token: str) -> "AccessToken | None":
        return self.access.get(token)

    async def revoke_token(self, token: "AccessToken | RefreshToken") -> None:
        self.seen["revoked"] += 1
        self.access.pop(token.token, None)
        self.refresh.pop(token.token, None)

    def _issue(self, client: "OAuthClientInformationFull", scopes: list[str], resource: str | None) -> "OAuthToken":
        from mcp.server.auth.provider import AccessToken, RefreshToken
        from mcp.shared.auth import OAuthToken

        assert client.client_id
        access, refresh = f"access-{secrets.token_urlsafe(20)}", f"refresh-{secrets.token_urlsafe(20)}"
        expires_at = int(time.time()) + self.lifetime_s
        values: dict[str, Any] = {"client_id": client.client_id, "scopes": scopes, "resource": resource}
        self.access[access] = AccessToken(token=access, expires_at=expires_at, **values)
        self.refresh[refresh] = RefreshToken(token=refresh, **values)
        return OAuthToken(
            access_token=access,
            token_type="Bearer",
            expires_in=self.lifetime_s,
            refresh_token=refresh,
            scope=" ".join(scopes),
        )

    async def control(self, request: "Request") -> "Response":
        """Change what the body names, and return what was seen."""
        from starlette.responses import JSONResponse

        change = await request.json()
        self.lifetime_s = change.get("lifetime_s", self.lifetime_s)
        self.wait_s = change.get("wait_s", self.wait_s)
        self.reads_documents = change.get("reads_documents", self.reads_documents)
        if change.get("forget_access"):
            self.access.clear()
        if change.get("forget_all"):
            self.access.clear()
            self.refresh.clear()
        return JSONResponse({**self.seen, "clients": len(self.clients), "tokens": [*self.access, *self.refresh]})


class Refusals:
    """Adds to the official package what it lacks: a tool's own scope, and the support of clients' metadata."""

    def __init__(self, app: Any, provider: Provider) -> None:
        self.app = app
        self.provider = provider

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        from starlette.requests import Request
        from starlette.responses import JSONResponse, Response

        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        if scope["path"] == "/.well-known/oauth-authorization-server":
            sent: list[Any] = []

            async def keep(message: Any) -> None:
                sent.append(message)

            await self.app(scope, receive, keep)
            body = json.loads(b"".join(message.get("body", b"") for message in sent))
            if self.provider.reads_documents:
                body["client_id_metadata_document_supported"] = True
                body["token_endpoint_auth_methods_supported"].append("none")
            await JSONResponse(body)(scope, receive, send)
            return
        content = await request.body()
        token = self.provider.access.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if b'"publish"' in content and b"tools/call" in content and token and "write" not in token.scopes:
            challenge = 'Bearer error="insufficient_scope", scope="notes write", error_description="No."'
            await Response(status_code=403, headers={"WWW-Authenticate": challenge})(scope, receive, send)
            return

        read = [{"type": "http.request", "body": content, "more_body": False}]

        async def replay() -> Any:
            return read.pop() if read else await receive()

        await self.app(scope, replay, send)


def main() -> None:
    """Serve until the process is ended."""
    import uvicorn
    from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions, RevocationOptions
    from mcp.server.mcpserver import MCPServer

    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    provider = Provider(url)
    scopes = ClientRegistrationOptions(enabled=True, valid_scopes=["notes", "write"], default_scopes=["notes"])
    # As texts: AnyHttpUrl would add a slash to the issuer, whose name is compared as it is.
    auth = AuthSettings.model_validate(
        {
            "issuer_url": url,
            "resource_server_url": f"{url}/mcp",
            "required_scopes": ["notes"],
            "client_registration_options": scopes,
            "revocation_options": RevocationOptions(enabled=True),
            "validate_token_resource": True,
        }
    )
    server = MCPServer("private", auth_server_provider=cast(Any, provider), auth=auth)
    server.custom_route("/control", methods=["POST"])(provider.control)

    @server.tool()
    def note(text: str) -> str:
        """Keep a note."""
        return f"kept: {text}"

    @server.tool()
    def publish(text: str) -> str:
        """Publish a note."""
        return f"published: {text}"

    print(listening.getsockname()[1], flush=True)
    app = Refusals(server.streamable_http_app(), provider)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run([listening])


class OAuthMcpServer:
    """The running server. `url`: of its MCP endpoint."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.url = f"{origin}/mcp"

    def control(self, **change: Any) -> dict[str, Any]:
        """Change how it behaves; return what it has seen."""
        body = json.dumps(change).encode()
        request = urllib.request.Request(f"{self.origin}/control", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            seen: dict[str, Any] = json.loads(response.read())
        return seen


@contextmanager
def oauth_mcp_server() -> Iterator[OAuthMcpServer]:
    """Run the server until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.mcp_oauth_server"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout
    try:
        yield OAuthMcpServer(f"http://127.0.0.1:{int(process.stdout.readline())}")
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


if __name__ == "__main__":
    main()
