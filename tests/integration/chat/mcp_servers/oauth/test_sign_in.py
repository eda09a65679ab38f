"""Sign in to an MCP server of the official package with OAuth, and keep its tokens fresh."""

import json
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import httpx
import pytest
from cryptography.fernet import Fernet

from functions.chat.mcp_servers.oauth.authorization_server import discover
from functions.chat.mcp_servers.oauth.connections import decode_connection, disconnect
from functions.chat.mcp_servers.remote_tools import read_remote_tools
from headwater.errors import HeadwaterError, PermanentError
from headwater.outbound.guarded_http import guarded_http
from tests.fakes.mcp_oauth_server import LIFETIME_S, OAuthMcpServer, oauth_mcp_server
from tests.harness.chat_app import ChatApp, running_chat_app
from tests.harness.databases import FreshDatabase

CALLBACK = "https://app.example.com/mcp-servers/callback"


@pytest.fixture(scope="module")
def server() -> Iterator[OAuthMcpServer]:
    with oauth_mcp_server() as server:
        yield server


@pytest.fixture
def chat(database: FreshDatabase) -> Iterator[ChatApp]:
    with running_chat_app(database, secret_key=Fernet.generate_key().decode()) as made:
        yield made


def send(chat: ChatApp, path: str, status: int, **body: Any) -> dict[str, Any]:
    response = chat.client.post(f"/api/mcp-servers{path}", json=body or None)
    assert response.status_code == status, response.data
    found: dict[str, Any] = response.get_json()
    return found


def agree(authorization_url: str) -> dict[str, str]:
    """Sign in as a person does. Returns the parameters with which the browser comes back."""
    response = httpx.get(authorization_url, timeout=60, trust_env=False)
    location = response.headers["Location"]
    assert location.startswith(f"{CALLBACK}?"), location
    return dict(parse_qsl(urlsplit(location).query))


def connect(chat: ChatApp, server: OAuthMcpServer) -> str:
    """Add the server, sign in, and allow its tool. Returns its id."""
    added = send(chat, "", 201, name="private", url=server.url, oauth=True)
    assert (added["connected"], added["tools"]) == (False, [])
    begun = send(chat, f"/{added['id']}/authorize", 200, redirect_uri=CALLBACK)
    back = agree(begun["authorization_url"])
    assert back["state"] == begun["state"]
    connected = send(chat, "/oauth/callback", 200, **back)
    assert connected["connected"]
    assert [tool["name"] for tool in connected["tools"]] == ["private__note"]
    chat.client.patch(f"/api/mcp-servers/{added['id']}", json={"allowed": ["private__note"]})
    return str(added["id"])


def note(chat: ChatApp, text: str = "hello") -> str:
    """Call the tool as an agent does."""
    return read_remote_tools(chat.database, chat.workspace_id, chat.settings)["private__note"].call({"text": text})


def is_connected(chat: ChatApp) -> bool:
    [found] = chat.client.get("/api/mcp-servers").get_json()["servers"]
    return bool(found["connected"])


def test_owner_signs_in_and_agents_call_tools(chat: ChatApp, server: OAuthMcpServer) -> None:
    connect(chat, server)
    assert note(chat) == "kept: hello"
    tokens = server.control()["tokens"]
    stored = json.dumps(chat.rows("select s::text, a::text from mcp_servers s left join mcp_authorizations a on true"))
    shown = chat.client.get("/api/mcp-servers").data.decode() + stored
    assert tokens
    assert not [token for token in tokens if token in shown]


def test_expiring_token_is_refreshed_once_by_instances_at_the_same_time(chat: ChatApp, server: OAuthMcpServer) -> None:
    server.control(lifetime_s=5)
    connect(chat, server)
    before = server.control(lifetime_s=LIFETIME_S, wait_s=0.3)
    kept: list[str] = []
    callers = [threading.Thread(target=lambda n=n: kept.append(note(chat, str(n)))) for n in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    after = server.control(wait_s=0)
    assert sorted(kept) == ["kept: 0", "kept: 1", "kept: 2"]
    assert after["refreshed"] == before["refreshed"] + 1
    assert after["stolen"] == before["stolen"]


def test_token_that_the_server_has_forgotten_is_refreshed(chat: ChatApp, server: OAuthMcpServer) -> None:
    connect(chat, server)
    server.control(forget_access=True)
    assert note(chat) == "kept: hello"
    assert is_connected(chat)


def test_agent_is_told_when_an_owner_has_to_sign_in_again(chat: ChatApp, server: OAuthMcpServer) -> None:
    server_id = connect(chat, server)
    server.control(forget_all=True)
    for _ in range(2):
        with pytest.raises(PermanentError, match="private needs to be connected again"):
            note(chat)
    assert not is_connected(chat)
    begun = send(chat, f"/{server_id}/authorize", 200, redirect_uri=CALLBACK)
    # The tools are as before, so they stay allowed.
    assert send(chat, "/oauth/callback", 200, **agree(begun["authorization_url"]))["tools"][0]["allowed"]
    assert note(chat) == "kept: hello"


def test_server_is_connected_again_or_deleted_after_the_key_has_changed(chat: ChatApp, server: OAuthMcpServer) -> None:
    server_id = connect(chat, server)

    def change_key() -> None:
        chat.rows("update mcp_servers set oauth = :other", other=Fernet(Fernet.generate_key()).encrypt(b"{}"))

    change_key()
    with pytest.raises(PermanentError, match="SECRET_KEY has changed"):
        note(chat)
    begun = send(chat, f"/{server_id}/authorize", 200, redirect_uri=CALLBACK)
    send(chat, "/oauth/callback", 200, **agree(begun["authorization_url"]))
    assert note(chat) == "kept: hello"
    change_key()
    assert not send(chat, f"/{server_id}/disconnect", 200)["connected"]
    change_key()
    assert chat.client.delete(f"/api/mcp-servers/{server_id}").status_code == 204


def test_demand_for_scopes_outlasts_a_refresh(chat: ChatApp, server: OAuthMcpServer) -> None:
    server.control(lifetime_s=5)
    server_id = UUID(connect(chat, server))
    server.control(lifetime_s=LIFETIME_S)
    [(stored,)] = chat.rows("select oauth from mcp_servers")
    token = decode_connection(stored, chat.settings).access_token
    disconnect(chat.database, chat.settings, chat.workspace_id, server_id, refused=token, scope="more")
    assert note(chat) == "kept: hello"
    assert not is_connected(chat)
    begun = send(chat, f"/{server_id}/authorize", 200, redirect_uri=CALLBACK)
    assert "scope=notes+more" in begun["authorization_url"]


def test_disconnecting_revokes_the_tokens(chat: ChatApp, server: OAuthMcpServer) -> None:
    server_id = connect(chat, server)
    before = server.control()
    assert not send(chat, f"/{server_id}/disconnect", 200)["connected"]
    after = server.control()
    assert after["revoked"] == before["revoked"] + 2
    with pytest.raises(PermanentError, match="needs to be connected again"):
        note(chat)


def begin(chat: ChatApp, server: OAuthMcpServer, name: str) -> dict[str, str]:
    """Add the server, and return the parameters with which the person comes back."""
    added = send(chat, "", 201, name=name, url=server.url, oauth=True)
    return agree(send(chat, f"/{added['id']}/authorize", 200, redirect_uri=CALLBACK)["authorization_url"])


def test_answer_that_is_not_of_this_sign_in_is_refused(chat: ChatApp, server: OAuthMcpServer) -> None:
    back = begin(chat, server, "a")
    send(chat, "/oauth/callback", 404, **{**back, "state": "x"})
    # A state counts once, whatever came with it.
    assert "another" in send(chat, "/oauth/callback", 422, **{**back, "iss": "https://evil.example"})["detail"]
    send(chat, "/oauth/callback", 404, **back)
    back = begin(chat, server, "b")
    refused = {"state": back["state"], "iss": back["iss"], "error": "access_denied"}
    assert "access_denied" in send(chat, "/oauth/callback", 422, **refused)["detail"]
    send(chat, "/oauth/callback", 404, **back)
    back = begin(chat, server, "c")
    send(chat, "/oauth/callback", 200, **back)
    send(chat, "/oauth/callback", 404, **back)
    for n, change in enumerate(("created_at = now() - interval '11 minutes'", "subject = 'someone else'")):
        back = begin(chat, server, f"d{n}")
        chat.rows(f"update mcp_authorizations set {change}")
        send(chat, "/oauth/callback", 404, **back)


def test_codes_come_back_to_safe_addresses_only(chat: ChatApp, server: OAuthMcpServer) -> None:
    added = send(chat, "", 201, name="private", url=server.url, oauth=True)
    for address in ("http://evil.example/cb", "javascript:alert(1)", "app.example.com", "https://u@a.example/", ""):
        send(chat, f"/{added['id']}/authorize", 422, redirect_uri=address)


def test_code_is_bound_to_its_verifier(chat: ChatApp, server: OAuthMcpServer) -> None:
    added = send(chat, "", 201, name="private", url=server.url, oauth=True)
    first = agree(send(chat, f"/{added['id']}/authorize", 200, redirect_uri=CALLBACK)["authorization_url"])
    second = agree(send(chat, f"/{added['id']}/authorize", 200, redirect_uri=CALLBACK)["authorization_url"])
    send(chat, "/oauth/callback", 404, **first)
    refused = send(chat, "/oauth/callback", 422, **{**second, "code": first["code"]})
    assert "gave no access token" in refused["detail"]


def test_private_addresses_are_refused(server: OAuthMcpServer) -> None:
    with pytest.raises(HeadwaterError, match="not public"):
        discover(guarded_http(allow_private=False), server.url, None, allow_plain=True)
