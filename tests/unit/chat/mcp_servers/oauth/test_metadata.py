"""Metadata of MCP servers and authorization servers."""

import msgspec
import pytest

from functions.chat.mcp_servers.oauth.metadata import (
    AuthorizationServer,
    Challenge,
    ProtectedResource,
    authorization_url,
    challenge_of,
    check_resource,
    check_server,
    choose_scope,
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
