"""The whole stack with `AUTH_MODE=jwt`: every route, asked by everybody who might, through the real Worker.

What the Worker can refuse reaches no function: the functions log a line for each request that they get.
"""

import base64
import hashlib
import hmac
import itertools
import json
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import httpx
import pytest

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
from tests.harness.pipeline import Repository
from tests.harness.stacks import RunningStack, running_stack, temporary_data, wait_until

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes a repository with it")

SECRET = "it's a $ECRET of 32 bytes or more"
ROUTES = [(name, route) for name, routes in all_routes().items() for route in routes if route.access != "google"]
ONE_OF_EACH = ("/api/conversations", "/api/sources", "/api/embedding-models")
GOOGLES = ("/tasks/drain", "/cron/tick", "/api/sources/../../tasks/drain", "/api/sources/..%2f..%2ftasks/drain")
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Edge:
    """The stack as people outside see it."""

    stack: RunningStack
    issuer: FakeIssuer
    client: httpx.Client

    def ask(self, method: str, path: str, token: str | None, **request: Any) -> httpx.Response:
        """Ask as somebody, each time from another address, so that attempts to sign in don't add up."""
        number = next(_numbers)
        headers = {"X-Request-Id": f"request-{number:06}", "CF-Connecting-IP": f"198.51.{number // 250}.{number % 250}"}
        headers |= {"Authorization": f"Bearer {token}"} if token is not None else {}
        headers |= request.pop("headers", {})
        return self.client.request(method, path, headers=headers, **request)

    def add_source(self, token: str, name: str, repository: Repository) -> str:
        """Add a repository as a source; returns its id."""
        body = {"kind": "git", "name": name, "config": {"url": repository.url}}
        return str(self.ask("POST", "/api/sources", token, json=body).json()["id"])

    def collect(self, token: str, source_id: str) -> dict[str, Any]:
        """Collect a source, and return the run as it ended."""
        path = f"/api/runs/{self.ask('POST', f'/api/sources/{source_id}/collect', token).json()['run_id']}"
        wait_until(lambda: self.ask("GET", path, token).json()["state"] != "running")
        run: dict[str, Any] = self.ask("GET", path, token).json()
        return run

    def woken(self, *answers: httpx.Response) -> int:
        """Count the requests behind these answers that have reached a function."""
        last = [self.ask("GET", path, self.issuer.token("ada")) for path in ONE_OF_EACH]
        wait_until(lambda: all(map(self._is_logged, last)))
        return sum(map(self._is_logged, answers))

    def _is_logged(self, answer: httpx.Response) -> bool:
        return f" request_id={answer.request.headers['X-Request-Id']} " in self.stack.log.read_text(errors="replace")


@pytest.fixture(scope="module")
def edge() -> Iterator[Edge]:
    with fake_issuer() as issuer, temporary_data() as data:
        data.mkdir()
        settings = {"AUTH_MODE": "jwt", "AUTH_ISSUER": ISSUER, "AUTH_AUDIENCE": AUDIENCE}
        settings |= {"AUTH_JWKS_URL": issuer.url, "SIGN_IN_URL": quote(issuer.sign_in_url)}
        settings |= {"AUTH_SECRET": quote(SECRET)}
        (data / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        with running_stack(data, "--embedding-model", "constant") as stack, httpx.Client(base_url=stack.url) as client:
            client.timeout = httpx.Timeout(30)
            yield Edge(stack, issuer, client)


@pytest.fixture(scope="module")
def document(edge: Edge, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A document of Ada's, really collected: by tickets whose tokens the functions have verified."""
    repository = Repository(tmp_path_factory.mktemp("repository"))
    repository.write({"a.md": "# Larder\n\nThe key to the larder hangs behind the clock.\n"})
    ada = edge.issuer.token("ada")
    source_id = edge.add_source(ada, "larder", repository)
    run = edge.collect(ada, source_id)
    (found,) = edge.ask("GET", f"/api/documents?source_id={source_id}", ada).json()["documents"]
    return {**found, "run_id": run["id"]}


def forged(issuer: FakeIssuer) -> dict[str, str]:
    """Tokens that aren't worth anything, and keys."""
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
        "of another issuer": issuer.token("ada", iss="https://evil.example"),
        "without a subject": issuer.token("ada", sub=None),
        "signed with another key of the same name": another.token("ada"),
        "signed with a key that isn't published": another.sign(good_claims("ada"), kid="another"),
        "alg none": unsigned(good_claims("ada"), kid=kid),
        "alg none with a signature": unsigned(good_claims("ada"), signature, kid=kid),
        "the public key taken for a secret": _hs256(good_claims("ada"), public),
        "claims changed": f"{head}.{changed}.{signature}",
        "Google's, for a function": id_token("headwater@local.iam.gserviceaccount.com", "x", time.time()),
        "an API key cut short": "hw_0000000000000000000000000000000049HUh",
        "an API key mistyped": "hw_0000000000000000000000000000000149HUhz",
        "junk": "junk",
    }


def _part(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _hs256(claims: Mapping[str, Any], secret: bytes) -> str:
    text = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
    signature = hmac.new(secret, text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def path_of(route: Route) -> str:
    return "/".join(str(uuid.UUID(int=0)) if part.startswith("<") else part for part in route.path.split("/"))


def assert_refused(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert set(answer.json()) == {"type", "title", "status", "detail", "request_id"}


def test_no_route_lets_nobody_in_or_what_is_forged_and_no_function_wakes(edge: Edge) -> None:
    tokens = {"nobody": None, **forged(edge.issuer)}
    answers = [edge.ask(route.method, path_of(route), token) for _, route in ROUTES for token in tokens.values()]
    for answer in answers:
        assert_refused(answer, 401)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert not edge.woken(*answers)


def test_a_function_refuses_the_same_when_it_is_asked_directly(edge: Edge) -> None:
    """The Worker is no wall that a function relies on."""
    for name in ("chat", "collection", "embedding"):
        route = next(route for owner, route in ROUTES if owner == name)
        url = f"http://127.0.0.1:{edge.stack.ports[name]}{path_of(route)}"
        for token in (None, *forged(edge.issuer).values()):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            assert edge.client.request(route.method, url, headers=headers).status_code == 401


def test_google_is_believed_only_with_its_own_token(edge: Edge) -> None:
    collection = f"http://127.0.0.1:{edge.stack.ports['collection']}"
    marked = id_token("headwater@local.iam.gserviceaccount.com", collection, time.time())
    claims = {"X-CloudTasks-QueueName": "collection", "X-CloudTasks-TaskName": "1", "X-CloudScheduler": "true"}
    answers = []
    for token in (None, edge.issuer.token("ada"), marked):
        forged = claims | {"X-Serverless-Authorization": f"Bearer {marked}"}
        answers += [edge.ask("POST", path, token, json={}, headers=forged) for path in GOOGLES]
        direct = {"Authorization": f"Bearer {token}"} if token else {}
        for given in (claims | direct, forged | direct):
            answer = edge.client.post(f"{collection}/tasks/drain", json={}, headers=given)
            assert answer.status_code == 401, answer.text
    for answer in answers:
        assert_refused(answer, 404)
    assert not edge.woken(*answers)


def test_a_stranger_with_a_good_token_has_a_workspace_of_its_own_and_sees_nobody_elses(
    edge: Edge, document: dict[str, Any]
) -> None:
    eve = edge.issuer.token("eve")
    for path in ("sources", "documents", "runs"):
        answer = edge.ask("GET", f"/api/{path}", eve)
        assert answer.status_code == 200
        assert "larder" not in answer.text
    for path in (f"documents/{document['id']}", f"sources/{document['source_id']}", f"runs/{document['run_id']}"):
        assert edge.ask("GET", f"/api/{path}", edge.issuer.token("ada")).status_code == 200
        answer = edge.ask("GET", f"/api/{path}", eve)
        assert answer.status_code == 404
        assert "larder" not in answer.text.lower()
    found = edge.ask("GET", "/api/search?q=larder", eve)
    assert found.json() == {"hits": []}
    ada_s = json.loads(edge.ask("GET", "/api/me", edge.issuer.token("ada")).text)["workspace_id"]
    assert edge.ask("GET", "/api/sources", eve, headers={"X-Workspace": ada_s}).status_code == 403


def test_a_reader_reads_and_changes_nothing(edge: Edge, document: dict[str, Any]) -> None:
    ada, rae = edge.issuer.token("ada"), edge.issuer.token("rae")
    added = edge.ask("POST", "/api/members", ada, json={"subject": "rae", "role": "reader"})
    assert added.status_code == 201, added.text
    assert "behind the clock" in edge.ask("GET", f"/api/documents/{document['id']}", rae).text
    for _, route in ROUTES:
        if route.access in ("editor", "owner"):
            answer = edge.ask(route.method, path_of(route), rae, json={})
            assert answer.status_code == 403, f"{route.method} {route.path}: {answer.text}"


def test_a_document_is_kept_for_whom_it_was_read_by(edge: Edge, document: dict[str, Any]) -> None:
    path = f"/api/documents/{document['id']}"
    fresh = {"Cache-Control": "no-cache"}
    first = edge.ask("GET", path, edge.issuer.token("ada"), headers=fresh)
    assert first.headers["Cache-Control"] == "private, max-age=60"
    assert edge.woken(first)
    # It is put away after it has been given out.
    wait_until(lambda: "Age" in edge.ask("GET", path, edge.issuer.token("ada")).headers)
    kept = edge.ask("GET", path, edge.issuer.token("ada"))
    assert not edge.woken(kept)
    assert kept.content == first.content
    assert edge.ask("GET", path, edge.issuer.token("eve")).status_code == 404


def test_a_token_signed_with_the_shared_secret_is_good_too_and_the_secret_is_on_no_command_line(edge: Edge) -> None:
    token = _hs256(good_claims("sam"), SECRET.encode())
    assert edge.ask("GET", "/api/sources", token).status_code == 200
    assert not [process for process in edge.stack.family() if any("ECRET of 32" in word for word in process.cmdline())]


def test_the_web_app_learns_how_one_signs_in(edge: Edge) -> None:
    described = edge.ask("GET", "/env", None)
    assert described.json()["authMode"] == "jwt"
    assert described.json()["signInUrl"] == edge.issuer.sign_in_url
    page = edge.ask("GET", "/", None)
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "max-age" in page.headers["Strict-Transport-Security"]


def test_an_api_key_opens_what_it_is_for_until_it_is_revoked(edge: Edge) -> None:
    ada = edge.issuer.token("ada")
    made = edge.ask("POST", "/api/keys", ada, json={"name": "ci", "role": "reader", "scopes": ["collection"]}).json()
    assert edge.ask("GET", "/api/sources", made["key"]).status_code == 200
    assert edge.ask("GET", "/api/conversations", made["key"]).status_code == 403
    assert edge.ask("POST", "/api/keys", made["key"], json={"name": "more", "role": "owner"}).status_code == 403
    assert edge.ask("DELETE", f"/api/keys/{made['id']}", ada).status_code == 204
    assert edge.ask("GET", "/api/sources", made["key"]).status_code == 401


@needs_browser
def test_people_sign_in_in_the_browser_as_owner_and_as_reader_and_do_what_they_may(edge: Edge, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "pantry")
    repository.write({"a.md": "# Pantry\n\nThe key to the pantry hangs behind the clock.\n"})
    browse("owner-and-reader", tmp_path, edge.stack.url, repository.url, "Where is the key to the pantry?", pictures=15)
    for subject, role in (("mia", "owner"), ("rolf", "reader")):
        me = edge.ask("GET", "/api/me", edge.issuer.token(subject)).json()
        assert (me["role"], len(me["workspaces"])) == (role, 1)


@needs_browser
def test_what_becomes_of_documents_is_decided_in_the_browser(edge: Edge, tmp_path: Path) -> None:
    nora = edge.issuer.token("nora")
    edge.ask("POST", "/api/members", nora, json={"subject": "otto", "role": "reader"})
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
    browse("manage-documents", tmp_path, edge.stack.url, cloud, "nora", "otto", pictures=20)
    stored = {name: edge.ask("GET", f"/api/sources/{ids[name]}", nora).json()["documents"] for name in ids}
    assert stored == {"kept": 30, "gone": 6, "broken": 3}
    assert edge.collect(nora, ids["broken"])["counts"]["added"] == 1
