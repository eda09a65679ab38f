"""The whole stack with `AUTH_MODE=jwt`: authentication and authorization of every route, through the real Worker.

A request that the Worker rejects must not reach a function. The tests look for it in the functions' request logs.
"""

import base64
import hashlib
import hmac
import itertools
import json
import re
import shutil
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from shlex import quote
from typing import Any

import httpx
import pytest

from headwater.config import Settings
from headwater.web.app import Route
from localcloud.targets.id_tokens import id_token
from scripts.openapi import all_routes
from tests.fakes.token_issuer import (
    AUDIENCE,
    ISSUER,
    FakeIssuer,
    fake_issuer,
    good_claims,
    private_key,
    public_jwk,
    unsigned,
)
from tests.harness.browser import browse, needs_browser
from tests.harness.git_server import make_repository, serve
from tests.harness.pipeline import Repository
from tests.harness.stacks import FUNCTIONS, RunningStack, running_stack, temporary_data, wait_until

pytestmark = [
    pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes a repository with it"),
    pytest.mark.long,
]

SECRET = "it's a $ECRET of 32 bytes or more"
ROUTES = [
    (name, route)
    for name, routes in all_routes().items()
    for route in routes
    if route.access not in ("google", "signed", "link")
]
PATH_OF_EACH_FUNCTION = ("/api/conversations", "/api/sources", "/v1/embeddings")
INTERNAL_PATHS = ("/tasks/drain", "/cron/tick", "/api/sources/../../tasks/drain", "/api/sources/..%2f..%2ftasks/drain")
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Edge:
    """The stack as clients see it."""

    stack: RunningStack
    issuer: FakeIssuer
    client: httpx.Client

    def request(self, method: str, path: str, token: str | None, **options: Any) -> httpx.Response:
        """Send a request from a new IP address, so that sign-in attempts are not rate-limited."""
        number = next(_numbers)
        headers = {"X-Request-Id": f"request-{number:06}", "CF-Connecting-IP": f"198.51.{number // 250}.{number % 250}"}
        headers |= {"Authorization": f"Bearer {token}"} if token is not None else {}
        headers |= options.pop("headers", {})
        return self.client.request(method, path, headers=headers, **options)

    def add_source(self, token: str, name: str, repository: Repository) -> str:
        """Add a repository as a source. Return its id."""
        body = {"kind": "git", "name": name, "config": {"url": repository.url}}
        return str(self.request("POST", "/api/sources", token, json=body).json()["id"])

    def collect(self, token: str, source_id: str) -> dict[str, Any]:
        """Collect a source. Return the finished run."""
        path = f"/api/runs/{self.request('POST', f'/api/sources/{source_id}/collect', token).json()['run_id']}"
        wait_until(lambda: self.request("GET", path, token).json()["state"] != "running")
        run: dict[str, Any] = self.request("GET", path, token).json()
        return run

    def count_forwarded(self, *responses: httpx.Response) -> int:
        """Count the responses whose request has reached a function."""
        last = [_request_id(self.request("GET", path, self.issuer.token("ada"))) for path in PATH_OF_EACH_FUNCTION]
        wait_until(lambda: self._logged_ids().issuperset(last))
        logged = self._logged_ids()
        return sum(_request_id(response) in logged for response in responses)

    def _logged_ids(self) -> set[str]:
        """Return the ids of the requests that the functions have logged."""
        entries = (entry for function in FUNCTIONS for entry in self.stack.log_entries(function))
        return {str(entry.get("request_id")) for entry in entries}


def _request_id(response: httpx.Response) -> str:
    return response.request.headers["X-Request-Id"]


@pytest.fixture(scope="module")
def edge() -> Iterator[Edge]:
    with fake_issuer() as issuer, temporary_data() as data:
        settings = {"AUTH_MODE": "jwt", "AUTH_ISSUER": ISSUER, "AUTH_AUDIENCE": AUDIENCE}
        settings |= {"AUTH_JWKS_URL": issuer.url, "SIGN_IN_URL": quote(issuer.sign_in_url)}
        settings |= {"AUTH_SECRET": quote(SECRET)}
        (data / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        with (
            running_stack(data, "--embedding-model", "constant", first_source=True) as stack,
            httpx.Client(base_url=stack.url) as client,
        ):
            client.timeout = httpx.Timeout(30)
            yield Edge(stack, issuer, client)


def test_first_source_is_not_added_where_users_sign_in(edge: Edge) -> None:
    wait_until(lambda: not (edge.stack.data / "first-start").exists())
    assert "first source" not in edge.stack.log.read_text()


@pytest.fixture(scope="module")
def document(edge: Edge, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A document of Ada's, collected by the stack through tickets."""
    repository = Repository(tmp_path_factory.mktemp("repository"))
    repository.write({"a.md": "# Larder\n\nThe key to the larder hangs behind the clock.\n"})
    ada = edge.issuer.token("ada")
    source_id = edge.add_source(ada, "larder", repository)
    run = edge.collect(ada, source_id)
    (document,) = edge.request("GET", f"/api/documents?source_id={source_id}", ada).json()["documents"]
    return {**document, "run_id": run["id"]}


def invalid_tokens(issuer: FakeIssuer) -> dict[str, str]:
    """Return invalid tokens and API keys by what is wrong with them."""
    kid = next(iter(issuer.keys))
    another = FakeIssuer("ES256")
    another.keys = {kid: private_key("ES256", 99)}
    public = json.dumps(public_jwk(issuer.keys[kid])).encode()
    head, _, signature = issuer.token("ada").split(".")
    changed = _part({**good_claims("ada"), "sub": "eve"})
    return {
        "expired": issuer.token("ada", exp=int(time.time()) - 60),
        "not valid yet": issuer.token("ada", nbf=int(time.time()) + 600),
        "for another audience": issuer.token("ada", aud="another"),
        "from another issuer": issuer.token("ada", iss="https://evil.example"),
        "without a subject": issuer.token("ada", sub=None),
        "signed with another key of the same id": another.token("ada"),
        "signed with an unpublished key": another.sign(good_claims("ada"), kid="another"),
        "alg none": unsigned(good_claims("ada"), kid=kid),
        "alg none with a signature": unsigned(good_claims("ada"), signature, kid=kid),
        "signed with the public key as a secret": _hs256(good_claims("ada"), public),
        "claims changed after signing": f"{head}.{changed}.{signature}",
        "a Google ID token for a function": id_token("headwater@local.iam.gserviceaccount.com", "x", time.time()),
        "a truncated API key": "hw_0000000000000000000000000000000049HUh",
        "a mistyped API key": "hw_0000000000000000000000000000000149HUhz",
        "junk": "junk",
    }


def _part(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _hs256(claims: Mapping[str, Any], secret: bytes) -> str:
    text = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
    signature = hmac.new(secret, text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def path_of(route: Route) -> str:
    path = re.sub(r"<int:\w+>", "0", route.path)
    return re.sub(r"<[^>]+>", str(uuid.UUID(int=0)), path)


def assert_problem(response: httpx.Response, status: int) -> None:
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    assert set(response.json()) == {"type", "title", "status", "detail", "request_id"}


def test_worker_rejects_invalid_tokens_without_calling_a_function(edge: Edge, request: pytest.FixtureRequest) -> None:
    """Each route without a token and with two of the invalid ones, the next two at the next route; or with all."""
    invalid = list(invalid_tokens(edge.issuer).values())
    count = len(invalid) if request.config.getoption("--every-input") else 2
    tokens = itertools.cycle(invalid)
    responses = [
        edge.request(route.method, path_of(route), token)
        for _, route in ROUTES
        for token in (None, *itertools.islice(tokens, count))
    ]
    for response in responses:
        assert_problem(response, 401)
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert not edge.count_forwarded(*responses)


def test_functions_reject_invalid_tokens_on_direct_requests(edge: Edge) -> None:
    """The functions do not rely on the Worker's checks."""
    for name in ("chat", "collection", "embedding"):
        route = next(route for owner, route in ROUTES if owner == name)
        url = f"http://127.0.0.1:{edge.stack.ports[name]}{path_of(route)}"
        for token in (None, *invalid_tokens(edge.issuer).values()):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            assert edge.client.request(route.method, url, headers=headers).status_code == 401


def test_google_headers_and_tokens_from_clients_are_rejected(edge: Edge) -> None:
    collection = f"http://127.0.0.1:{edge.stack.ports['collection']}"
    google_token = id_token("headwater@local.iam.gserviceaccount.com", collection, time.time())
    google_headers = {"X-CloudTasks-QueueName": "collection", "X-CloudTasks-TaskName": "1", "X-CloudScheduler": "true"}
    responses = []
    for token in (None, edge.issuer.token("ada"), google_token):
        forged = google_headers | {"X-Serverless-Authorization": f"Bearer {google_token}"}
        responses += [edge.request("POST", path, token, json={}, headers=forged) for path in INTERNAL_PATHS]
        direct = {"Authorization": f"Bearer {token}"} if token else {}
        for headers in (google_headers | direct, forged | direct):
            response = edge.client.post(f"{collection}/tasks/drain", json={}, headers=headers)
            assert response.status_code == 401, response.text
    for response in responses:
        assert_problem(response, 404)
    assert not edge.count_forwarded(*responses)


def test_new_user_gets_an_own_workspace_and_no_access_to_others(edge: Edge, document: dict[str, Any]) -> None:
    eve = edge.issuer.token("eve")
    for path in ("sources", "documents", "runs"):
        response = edge.request("GET", f"/api/{path}", eve)
        assert response.status_code == 200
        assert "larder" not in response.text
    for path in (f"documents/{document['id']}", f"sources/{document['source_id']}", f"runs/{document['run_id']}"):
        assert edge.request("GET", f"/api/{path}", edge.issuer.token("ada")).status_code == 200
        response = edge.request("GET", f"/api/{path}", eve)
        assert response.status_code == 404
        assert "larder" not in response.text.lower()
    hits = edge.request("GET", "/api/search?q=larder", eve)
    assert hits.json()["hits"] == []
    workspace_of_ada = json.loads(edge.request("GET", "/api/me", edge.issuer.token("ada")).text)["workspace_id"]
    assert edge.request("GET", "/api/sources", eve, headers={"X-Workspace": workspace_of_ada}).status_code == 403


def test_reader_can_read_but_not_change(edge: Edge, document: dict[str, Any]) -> None:
    ada, rae = edge.issuer.token("ada"), edge.issuer.token("rae")
    added = edge.request("POST", "/api/members", ada, json={"subject": "rae", "role": "reader"})
    assert added.status_code == 201, added.text
    assert "behind the clock" in edge.request("GET", f"/api/documents/{document['id']}", rae).text
    for _, route in ROUTES:
        if route.access in ("editor", "owner"):
            response = edge.request(route.method, path_of(route), rae, json={})
            assert response.status_code == 403, f"{route.method} {route.path}: {response.text}"


def test_worker_caches_a_document_for_its_reader_only(edge: Edge, document: dict[str, Any]) -> None:
    path = f"/api/documents/{document['id']}"
    no_cache = {"Cache-Control": "no-cache"}
    first = edge.request("GET", path, edge.issuer.token("ada"), headers=no_cache)
    assert first.headers["Cache-Control"] == "private, max-age=60"
    assert edge.count_forwarded(first)
    # The Worker stores the response in the background.
    wait_until(lambda: "Age" in edge.request("GET", path, edge.issuer.token("ada")).headers)
    cached = edge.request("GET", path, edge.issuer.token("ada"))
    assert not edge.count_forwarded(cached)
    assert cached.content == first.content
    assert edge.request("GET", path, edge.issuer.token("eve")).status_code == 404


def test_shared_secret_signs_tokens_and_is_on_no_command_line(edge: Edge) -> None:
    token = _hs256(good_claims("sam"), SECRET.encode())
    assert edge.request("GET", "/api/sources", token).status_code == 200
    assert not [process for process in edge.stack.family() if any("ECRET of 32" in word for word in process.cmdline())]


def test_env_describes_sign_in_and_pages_have_security_headers(edge: Edge) -> None:
    environment = edge.request("GET", "/env", None)
    assert environment.json()["authMode"] == "jwt"
    assert environment.json()["signInUrl"] == edge.issuer.sign_in_url
    page = edge.request("GET", "/", None)
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "max-age" in page.headers["Strict-Transport-Security"]


def test_api_key_works_within_its_scope_until_revoked(edge: Edge) -> None:
    ada = edge.issuer.token("ada")
    key = edge.request("POST", "/api/keys", ada, json={"name": "ci", "role": "reader", "scopes": ["collection"]}).json()
    assert edge.request("GET", "/api/sources", key["key"]).status_code == 200
    assert edge.request("GET", "/api/conversations", key["key"]).status_code == 403
    assert edge.request("POST", "/api/keys", key["key"], json={"name": "more", "role": "owner"}).status_code == 403
    assert edge.request("DELETE", f"/api/keys/{key['id']}", ada).status_code == 204
    assert edge.request("GET", "/api/sources", key["key"]).status_code == 401


@needs_browser
def test_owner_and_reader_use_the_web_app(edge: Edge, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "pantry")
    repository.write({"a.md": "# Pantry\n\nThe key to the pantry hangs behind the clock.\n"})
    browse("owner-and-reader", tmp_path, edge.stack.url, repository.url, "Where is the key to the pantry?", states=15)
    for subject, role in (("mia", "owner"), ("rolf", "reader")):
        me = edge.request("GET", "/api/me", edge.issuer.token(subject)).json()
        assert (me["role"], len(me["workspaces"])) == (role, 1)


@needs_browser
def test_owner_manages_documents_and_runs_in_the_web_app(edge: Edge, tmp_path: Path) -> None:
    nora = edge.issuer.token("nora")
    edge.request("POST", "/api/members", nora, json={"subject": "otto", "role": "reader"})
    pages = {f"{n:02}.md": f"# Page {n}\n\nThis is page {n}.\n" for n in range(30)}
    ids = {}
    for name in ("kept", "gone"):
        repository = Repository(tmp_path / name)
        repository.write(pages)
        ids[name] = edge.add_source(nora, name, repository)
        assert edge.collect(nora, ids[name])["counts"]["added"] == 30
        repository.write(dict.fromkeys(list(pages)[5:]))
        assert edge.collect(nora, ids[name])["pending_removals"] == 25
    repository = Repository(tmp_path / "broken")
    repository.write({"bad.md": b"# Bad\n\nNo text: \0\n", "a.md": "# A\n\nA.\n", "b.md": "# B\n"})
    ids["broken"] = edge.add_source(nora, "broken", repository)
    assert edge.collect(nora, ids["broken"])["state"] == "partial"
    repository.write({"new.md": "# New\n"})

    cloud = f"http://127.0.0.1:{edge.stack.ports['localcloud']}"
    browse("manage-documents", tmp_path, edge.stack.url, cloud, "nora", "otto", edge.stack.token, states=20)
    stored = {name: edge.request("GET", f"/api/sources/{ids[name]}", nora).json()["documents"] for name in ids}
    assert stored == {"kept": 30, "gone": 6, "broken": 3}
    assert edge.collect(nora, ids["broken"])["counts"]["added"] == 1


def test_slow_servers_of_a_user_hold_up_no_run_of_another(edge: Edge, tmp_path: Path) -> None:
    """The order proves it: the runs at the slow server are still open when the other has succeeded."""
    eve, ada = edge.issuer.token("eve"), edge.issuer.token("ada")
    stopped = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> bool:
        with suppress(ConnectionError):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not stopped.wait(0.1):
                handler.wfile.write(b"x")
        handler.close_connection = True
        return True

    repository = Repository(tmp_path / "repository")
    repository.write({"a.md": "# A\n"})
    names = [f"slow-{n}" for n in range(Settings(database_url="unused").max_tickets + 1)]
    for name in names:
        make_repository(tmp_path / "served" / f"{name}.git", {"a.md": b"# A\n"})
    with serve(tmp_path / "served", partial=True) as server:
        slow = []
        for name in names:
            body = {"kind": "git", "name": name, "config": {"url": f"{server.url}/{name}.git"}}
            slow.append(edge.request("POST", "/api/sources", eve, json=body).json()["id"])
        server.answer = drip
        server.reset()
        runs = [edge.request("POST", f"/api/sources/{source}/collect", eve).json()["run_id"] for source in slow]
        wait_until(lambda: len(server.requests) == len(names) - 2)
        assert edge.collect(ada, edge.add_source(ada, "good", repository))["state"] == "succeeded"
        assert [edge.request("GET", f"/api/runs/{run}", eve).json()["state"] for run in runs] == ["running"] * len(runs)
        assert len(server.requests) == len(names) - 2
        for run in runs:
            edge.request("POST", f"/api/runs/{run}/cancel", eve)
        stopped.set()
