"""Metadata of MCP servers and authorization servers."""

import msgspec
import pytest

from functions.chat.mcp_servers.oauth.metadata import (
    AuthorizationServer,
    Challenge,
    OAuthClient,
    ProtectedResource,
    authorization_url,
    challenge_of,
    check_resource,
    check_server,
    choose_scope,
    client_form,
    documented_client,
    is_web_address,
    read_challenge,
    resource_metadata_urls,
    server_metadata_urls,
)
from headwater.errors import PermanentError

URL = "https://mcp.example.com/tenant/mcp"
ISSUER = "https://auth.example.com"
SERVER = AuthorizationServer(
    ISSUER, f"{ISSUER}/authorize", f"{ISSUER}/token", code_challenge_methods_supported=["S256"]
)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", Challenge()),
        ("Basic realm=x", Challenge()),
        ('Bearer resource_metadata="https://m/x", scope="a b"', Challenge("https://m/x", "a b")),
        ("Bearer error=insufficient_scope,scope=files", Challenge("", "files", "insufficient_scope")),
        ('Bearer realm="scope=evil", error="invalid_token"', Challenge("", "", "invalid_token")),
        ('Bearer\terror=insufficient_scope, scope="a\0b"', Challenge("", "", "insufficient_scope")),
    ],
)
def test_challenge_is_read(header: str, expected: Challenge) -> None:
    assert read_challenge(header) == expected


def test_addresses_of_metadata_have_the_order_of_the_specification() -> None:
    known = "https://mcp.example.com/.well-known/oauth-protected-resource"
    assert resource_metadata_urls(Challenge("https://m/x"), URL) == ["https://m/x", f"{known}/tenant/mcp", known]
    assert resource_metadata_urls(Challenge(), "https://mcp.example.com/") == [known]
    assert server_metadata_urls(f"{ISSUER}/t/") == [
        f"{ISSUER}/.well-known/oauth-authorization-server/t",
        f"{ISSUER}/.well-known/openid-configuration/t",
        f"{ISSUER}/t/.well-known/openid-configuration",
    ]
    assert len(server_metadata_urls(ISSUER)) == 2


@pytest.mark.parametrize("resource", [URL, "https://mcp.example.com/tenant", "https://MCP.example.com"])
def test_metadata_of_the_server_or_of_what_is_above_it_is_accepted(resource: str) -> None:
    check_resource(ProtectedResource(resource, [ISSUER]), URL)


@pytest.mark.parametrize(
    ("resource", "servers"),
    [
        ("https://other.example.com/tenant/mcp", [ISSUER]),
        ("http://mcp.example.com/tenant/mcp", [ISSUER]),
        ("https://mcp.example.com/ten", [ISSUER]),
        ("https://[", [ISSUER]),
        (URL, ["https://["]),
        (URL, []),
    ],
)
def test_metadata_of_another_server_is_refused(resource: str, servers: list[str]) -> None:
    with pytest.raises(PermanentError):
        check_resource(ProtectedResource(resource, servers), URL)


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "https://evil.example"},
        {"code_challenge_methods_supported": ["plain"]},
        {"token_endpoint": "http://auth.example.com/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"revocation_endpoint": "https://user@auth.example.com/"},
    ],
)
def test_unsafe_authorization_server_is_refused(changes: dict[str, object]) -> None:
    check_server(SERVER, ISSUER, allow_plain=False)
    with pytest.raises(PermanentError):
        check_server(msgspec.structs.replace(SERVER, **changes), ISSUER, allow_plain=False)


def test_scope_is_the_demanded_one_before_the_supported_ones() -> None:
    resource = ProtectedResource(URL, [ISSUER], ["a", "b"])
    offline = AuthorizationServer(ISSUER, "", "", scopes_supported=["offline_access"])
    assert choose_scope(Challenge(scope="x"), resource, SERVER) == "x"
    assert choose_scope(Challenge(), resource, offline) == "a b offline_access"
    assert choose_scope(Challenge(), ProtectedResource(URL, [ISSUER]), offline) == ""


def test_challenge_is_that_of_the_standard() -> None:
    assert challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_authorization_url_keeps_the_query_of_its_endpoint() -> None:
    server = AuthorizationServer(ISSUER, f"{ISSUER}/authorize?tenant=t", "")
    assert authorization_url(server, {"state": "a b", "scope": ""}) == f"{ISSUER}/authorize?tenant=t&state=a+b"


@pytest.mark.parametrize("url", ["http://a.example", "ftp://a.example", "https://", "https://[", "https://a\n.example"])
def test_address_of_no_https_is_none(url: str) -> None:
    assert not is_web_address(url, allow_plain=False)


APP = "https://app.example.com"
DOCUMENTED = AuthorizationServer(ISSUER, "", "", client_id_metadata_document_supported=True)


def test_client_is_known_by_the_address_of_its_metadata() -> None:
    callback = f"{APP}/mcp-servers/callback"
    for app_url in (APP, f"{APP}/"):
        found = documented_client(DOCUMENTED, app_url, callback, allow_plain=False)
        assert found == OAuthClient(ISSUER, callback, f"{APP}/mcp-servers/client.json")


@pytest.mark.parametrize(
    ("app_url", "redirect_uri", "changes"),
    [
        pytest.param("", "/mcp-servers/callback", {}, id="no address"),
        pytest.param("http://app.example.com", "http://app.example.com/mcp-servers/callback", {}, id="http"),
        pytest.param(f"{APP}/team", f"{APP}/team/mcp-servers/callback", {}, id="path"),
        pytest.param(APP, "http://127.0.0.1:9000/callback", {}, id="program"),
        pytest.param(APP, "", {"client_id_metadata_document_supported": False}, id="unsupported"),
        pytest.param(APP, "", {"token_endpoint_auth_methods_supported": ["private_key_jwt"]}, id="with a secret only"),
    ],
)
def test_client_is_registered_where_its_metadata_cannot_be_used(
    app_url: str, redirect_uri: str, changes: dict[str, object]
) -> None:
    server = msgspec.structs.replace(DOCUMENTED, **changes)
    uri = redirect_uri or f"{APP}/mcp-servers/callback"
    assert documented_client(server, app_url, uri, allow_plain=False) is None


def test_form_says_who_the_client_is() -> None:
    def form(method: str, secret: str) -> tuple[bytes, str | None]:
        body, headers = client_form(OAuthClient(ISSUER, "", "a b", secret, method), {"token": "t", "scope": ""})
        return body, headers.get("Authorization")

    assert form("none", "") == (b"token=t&client_id=a+b", None)
    assert form("client_secret_post", "s") == (b"token=t&client_id=a+b&client_secret=s", None)
    assert form("client_secret_basic", "s:") == (b"token=t&client_id=a+b", "Basic YSUyMGI6cyUzQQ==")
