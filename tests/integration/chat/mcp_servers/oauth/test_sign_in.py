"""Sign in to an MCP server of the official package with OAuth, and keep its tokens fresh."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import httpx
import msgspec
import pytest
from cryptography.fernet import Fernet

from functions.chat.mcp_servers.oauth import authorization_server
from functions.chat.mcp_servers.oauth.authorization_server import discover, register
from functions.chat.mcp_servers.oauth.connections import decode_connection, disconnect
from functions.chat.mcp_servers.remote_tools import read_remote_tools
from functions.collection.accounts.mcp_connections import end_connections, revoke_due
from headwater.encryption import encrypt_token
from headwater.errors import HeadwaterError, PermanentError, UpstreamError
from headwater.outbound.guarded_http import guarded_http
from headwater.outbound.revocations import Revocation
from tests.fakes.mcp_oauth_server import LIFETIME_S, OAuthMcpServer, oauth_mcp_server
from tests.harness.chat_app import ChatApp, running_chat_app
from tests.harness.databases import FreshDatabase
from tests.harness.support import add_workspace

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


def agree(authorization_url: str, callback: str = CALLBACK) -> dict[str, str]:
    """Sign in as a person does. Returns the parameters with which the browser comes back."""
    response = httpx.get(authorization_url, timeout=60, trust_env=False)
    location = response.headers["Location"]
    assert location.startswith(f"{callback}?"), location
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
    assert [tool["name"] for tool in connected["tools"]] == ["private__note", "private__publish"]
    chat.client.patch(f"/api/mcp-servers/{added['id']}", json={"allowed": ["private__note", "private__publish"]})
    return str(added["id"])


def note(chat: ChatApp, text: str = "hello") -> str:
    """Call the tool as an agent does."""
    return read_remote_tools(chat.database, chat.workspace_id, chat.settings)["private__note"].call({"text": text})


def publish(chat: ChatApp) -> str:
    """Call the tool that demands another scope."""
    return read_remote_tools(chat.database, chat.workspace_id, chat.settings)["private__publish"].call({"text": "hi"})


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
    disconnect(chat.database, chat.settings, chat.workspace_id, server_id, refused=token, scope="write")
    assert note(chat) == "kept: hello"
    assert not is_connected(chat)
    begun = send(chat, f"/{server_id}/authorize", 200, redirect_uri=CALLBACK)
    assert "scope=notes+write" in begun["authorization_url"]


def test_server_that_registers_no_client_for_a_scope_registers_one_without(server: OAuthMcpServer) -> None:
    client = guarded_http(allow_private=True)
    _, _, found = discover(client, server.url, None, allow_plain=True)
    assert register(client, found, CALLBACK, "notes unknown").client_id


def test_call_that_lacks_a_scope_names_it_and_the_next_sign_in_asks_for_it(
    chat: ChatApp, server: OAuthMcpServer
) -> None:
    server_id = connect(chat, server)
    for _ in range(2):
        with pytest.raises(PermanentError, match="private demands the scopes write, which its sign-in doesn't have"):
            publish(chat)
    [shown] = chat.client.get("/api/mcp-servers").get_json()["servers"]
    assert (shown["connected"], shown["missing_scopes"]) == (False, ["write"])
    assert note(chat) == "kept: hello", "other tools go on"
    begun = send(chat, f"/{server_id}/authorize", 200, redirect_uri=CALLBACK)
    assert "scope=notes+write" in begun["authorization_url"]
    shown = send(chat, "/oauth/callback", 200, **agree(begun["authorization_url"]))
    assert (shown["connected"], shown["missing_scopes"]) == (True, [])
    assert publish(chat) == "published: hi"


@contextmanager
def web_app() -> Iterator[str]:
    """Serve what the Worker does: the metadata of Headwater as a client. Yields its origin."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            origin = f"http://{self.headers['Host']}"
            found = {"client_id": f"{origin}{self.path}", "redirect_uris": [f"{origin}/mcp-servers/callback"]}
            found |= {"client_name": "Headwater", "token_endpoint_auth_method": "none"}
            self.send_response(200 if self.path == "/mcp-servers/client.json" else 404)
            self.end_headers()
            self.wfile.write(json.dumps(found).encode())

        def log_message(self, *_: Any) -> None:
            """Write nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()


def test_server_that_reads_metadata_of_clients_registers_none(database: FreshDatabase, server: OAuthMcpServer) -> None:
    key = Fernet.generate_key().decode()
    before = server.control(reads_documents=True, lifetime_s=5)
    with web_app() as origin, running_chat_app(database, secret_key=key, app_url=f"{origin}/") as chat:
        callback = f"{origin}/mcp-servers/callback"
        added = send(chat, "", 201, name="private", url=server.url, oauth=True)
        begun = send(chat, f"/{added['id']}/authorize", 200, redirect_uri=callback)
        assert dict(parse_qsl(begun["authorization_url"]))["client_id"] == f"{origin}/mcp-servers/client.json"
        send(chat, "/oauth/callback", 200, **agree(begun["authorization_url"], callback))
        chat.client.patch(f"/api/mcp-servers/{added['id']}", json={"allowed": ["private__note"]})
        assert note(chat) == "kept: hello", "with a refreshed token"
        after = server.control(lifetime_s=LIFETIME_S)
        assert after["documents"] - before["documents"] == after["clients"] - before["clients"] == 1
        assert after["refreshed"] > before["refreshed"]
        send(chat, f"/{added['id']}/authorize", 200, redirect_uri="http://127.0.0.1:9/another")
        server.control(reads_documents=False)
        send(chat, f"/{added['id']}/authorize", 200, redirect_uri=callback)
        assert server.control()["clients"] == after["clients"] + 2, "registered"


def test_discovery_ends_in_time(server: OAuthMcpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authorization_server, "DISCOVERY_S", 1e-9)
    with pytest.raises(UpstreamError, match="did not finish its answer in 1e-09 s"):
        discover(guarded_http(allow_private=True), server.url, None, allow_plain=True)


def test_disconnecting_revokes_the_tokens(chat: ChatApp, server: OAuthMcpServer) -> None:
    server_id = connect(chat, server)
    before = server.control()
    assert not send(chat, f"/{server_id}/disconnect", 200)["connected"]
    after = server.control()
    assert after["revoked"] == before["revoked"] + 2
    with pytest.raises(PermanentError, match="needs to be connected again"):
        note(chat)


def test_tokens_of_a_person_who_leaves_are_revoked_by_the_tick(chat: ChatApp, server: OAuthMcpServer) -> None:
    connect(chat, server)
    before = server.control()
    with chat.database.transaction(chat.workspace_id) as tx:
        end_connections(tx, chat.workspace_id, ["local"])
    assert revoke_due(chat.database, chat.settings) == 1
    assert server.control()["revoked"] == before["revoked"] + 2
    assert chat.rows("select count(*) from mcp_revocations") == [(0,)]
    assert chat.rows("select oauth, is_connected from mcp_servers") == [(None, False)]


def revoke_later(chat: ChatApp, *revocations: Revocation) -> None:
    """Store requests for the tick."""
    chat.rows(
        "insert into mcp_revocations (workspace_id, requests) values (:w, :requests)",
        w=chat.workspace_id,
        requests=encrypt_token(msgspec.json.encode(revocations).decode(), chat.settings),
    )


def test_refusal_to_revoke_a_token_leaves_no_other_valid(chat: ChatApp, server: OAuthMcpServer) -> None:
    connect(chat, server)
    [(stored,)] = chat.rows("select oauth from mcp_servers")
    refused = Revocation(f"{server.url}/nothing", b"", {})
    revoke_later(chat, refused, *decode_connection(stored, chat.settings).revocations())
    before = server.control()
    assert revoke_due(chat.database, chat.settings) == 0
    assert server.control()["revoked"] == before["revoked"] + 2
    assert chat.rows("select count(*) from mcp_revocations") == [(0,)]


def test_revocation_is_tried_five_times(chat: ChatApp) -> None:
    add_workspace(chat.database, chat.workspace_id)
    revoke_later(chat, Revocation("http://127.0.0.1:9/revoke", b"token=x", {}))
    for attempt in range(1, 5):
        assert revoke_due(chat.database, chat.settings) == 0
        assert revoke_due(chat.database, chat.settings) == 0, "not due again"
        assert chat.rows("select attempts from mcp_revocations") == [(attempt,)]
        chat.rows("update mcp_revocations set not_before = now()")
    revoke_due(chat.database, chat.settings)
    assert chat.rows("select count(*) from mcp_revocations") == [(0,)]


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
