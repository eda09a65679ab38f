"""Access to every route of every function, for each role, key and kind of invalid token."""

import base64
import itertools
import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import httpx
import jwt
import pytest

from headwater.auth.api_keys import hash_key, make_key
from headwater.auth.callers import ROLES, SCOPES, role_covers
from headwater.web.app import Route
from scripts.openapi import all_routes
from tests.contract.test_every_route import assert_problem, named
from tests.fakes.token_issuer import (
    FakeIssuer,
    good_claims,
    private_key,
    public_forms,
    signed_by_hmac,
    unsigned,
)
from tests.harness.databases import FreshDatabase
from tests.harness.paths import ROOT
from tests.harness.world import INVOKER, SECRET, UNKNOWN, URL, World, running_world

ALL_ROUTES = [(name, route) for name, routes in all_routes().items() for route in routes]
ROUTES = [(name, route) for name, route in ALL_ROUTES if route.access not in ("signed", "link")]
GOOGLE = [("collection", "/tasks/drain"), ("embedding", "/tasks/drain"), ("collection", "/cron/tick")]
TOKENS_OF_A_ROUTE = 5
ACCESS_PAGE = ROOT / "docs" / "members-and-keys.md"


@pytest.fixture(scope="module")
def world(module_database: FreshDatabase, free_port: Callable[[], int]) -> Iterator[World]:
    with running_world(module_database, free_port) as world:
        yield world


@pytest.fixture(scope="module")
def api_key(world: World) -> Callable[..., str]:
    """Return a function that returns the header of an API key of Ada's workspace with a role, and scopes if any."""

    @cache
    def add_key(role: str, *scopes: str) -> str:
        key = make_key()
        statement = """insert into api_keys (workspace_id, name, hash, hint, role, scopes, created_by)
            values (:w, 'k', :hash, '', :role, :scopes, 'test')"""
        world.rows(statement, hash=hash_key(key), role=role, scopes=list(scopes))
        return f"Bearer {key}"

    return add_key


CHANGEABLE = (
    "members",
    "sources",
    "runs",
    "run_items",
    "documents",
    "uploaded_files",
    "file_uploads",
    "chunks",
    "conversations",
    "messages",
    "conversation_files",
    "conversation_chunks",
    "file_versions",
    "share_links",
    "schedules",
    "extractions",
    "extraction_rows",
    "mcp_servers",
    "mcp_authorizations",
    "mcp_revocations",
    "agent_items",
    "standing_questions",
    "standing_runs",
    "standing_deliveries",
    "(select id, name, role, revoked_at from api_keys where created_by = 'ada')",
)
CONTENTS = " union all ".join(f"select {n}, t::text from {table} t" for n, table in enumerate(CHANGEABLE))


def contents(world: World) -> list[Any]:
    """Return all rows of Ada's workspace that a call could change.

    This is called 1,500 times. The connection plans the statement once: planning takes most of its time.
    """
    if not world.rows("select 1 from pg_prepared_statements where name = 'contents'"):
        world.rows(f"prepare contents as {CONTENTS} order by 1, 2")
    return world.rows("execute contents")


def bad_tokens(issuer: FakeIssuer) -> dict[str, str]:
    """Return invalid tokens of Ada by what is wrong with them."""
    now, other = int(time.time()), private_key("ES256", 99)
    head, body, signature = issuer.token("ada").split(".")
    claims = good_claims("ada")
    embedded = {"kid": "key-0", "jku": "https://evil.example/jwks"}
    return {
        "expired": issuer.token("ada", exp=now - 60),
        "not valid yet": issuer.token("ada", nbf=now + 600),
        "wrong audience": issuer.token("ada", aud="another service"),
        "wrong issuer": issuer.token("ada", iss="https://evil.example"),
        "no subject": issuer.token("ada", sub=None),
        "reserved subject": issuer.token("local"),
        "alg none": unsigned(claims),
        "alg none with a signature": unsigned(claims, signature, kid="key-0"),
        "a public key as a secret": signed_by_hmac(claims, public_forms(private_key("ES256", 0))[0], "key-0"),
        "signed with another key": jwt.encode(claims, other, "ES256", headers={"kid": "key-0"}),
        "signed with an unpublished key": jwt.encode(claims, other, "ES256", headers={"kid": "key-99"}),
        "signed with the key at its own URL": jwt.encode(claims, other, "ES256", headers=embedded),
        "changed claims": f"{head}.{unsigned(good_claims('eve')).split('.')[1]}.{signature}",
        "no signature": f"{head}.{body}.",
        "signature removed, as by Cloud Run": f"{head}.{body}.SIGNATURE_REMOVED_BY_GOOGLE",
        "unknown API key": make_key(),
        "mistyped API key": "hw_" + "0" * 38,
        "junk": "junk",
        "empty": "",
    }


@pytest.mark.parametrize(("name", "route"), ROUTES, ids=named)
def test_route_rejects_requests_without_a_token(world: World, name: str, route: Route) -> None:
    for authorization in (None, "", "Basic YWRhOmFkYQ=="):
        response = world.call(name, route, authorization, existing=True)
        assert_problem(response, 401)
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert SECRET not in response.text


@pytest.fixture(scope="module")
def invalid_tokens(world: World) -> list[tuple[str, str]]:
    """Each invalid token with what is wrong with it."""
    return [*bad_tokens(world.issuer).items()]


@pytest.mark.parametrize(("name", "route"), ROUTES, ids=named)
def test_route_rejects_invalid_tokens_and_changes_nothing(
    world: World, name: str, route: Route, invalid_tokens: list[tuple[str, str]], request: pytest.FixtureRequest
) -> None:
    """Each route with some of the invalid tokens, the next ones at the next route; or with all."""
    if not request.config.getoption("--every-input"):
        first = TOKENS_OF_A_ROUTE * ROUTES.index((name, route))
        invalid_tokens = [invalid_tokens[(first + n) % len(invalid_tokens)] for n in range(TOKENS_OF_A_ROUTE)]
    before = contents(world)
    for kind, token in invalid_tokens:
        response = world.call(name, route, f"Bearer {token}".rstrip(), existing=True)
        assert response.status_code == 401, kind
        assert_problem(response, 401)
        assert SECRET not in response.text, kind
    assert contents(world) == before


@pytest.mark.parametrize(("name", "route"), ROUTES, ids=named)
def test_user_of_another_workspace_sees_and_changes_nothing(world: World, name: str, route: Route) -> None:
    before = contents(world)
    eve = world.token("eve")
    response = world.call(name, route, eve, existing=True)
    assert SECRET not in response.text
    assert str(world.workspace_id) not in response.text
    if route.path.startswith("/api/embedding-models"):  # the installation's: their owners have all workspaces
        assert response.status_code in (200, 403, 404)
    elif "<" in route.path and not route.streams:
        assert_problem(response, 404)
        unknown = world.call(name, route, eve, existing=False)
        # Prompts are the installation's, and there are none: both calls are of an unknown one.
        known_id = next((id_ for prefix, id_ in world.ids.items() if route.path.startswith(prefix)), UNKNOWN)
        assert _without(response, known_id) == _without(unknown, UNKNOWN)
    else:
        assert response.status_code < 500
    in_workspace = world.call(name, route, eve, existing=True, **{"X-Workspace": str(world.workspace_id)})
    assert_problem(in_workspace, 403)
    assert SECRET not in in_workspace.text
    assert contents(world) == before


def _without(response: httpx.Response, id_: str) -> Any:
    """Return the problem without its request id, and with the resource's id replaced."""
    problem = response.json()
    del problem["request_id"]
    return json.loads(re.sub(rf"(?<!\w){re.escape(id_)}(?!\w)", "ID", json.dumps(problem)))


def needs_all_workspaces(response: httpx.Response) -> bool:
    """Return whether a caller was refused who doesn't own all workspaces, as the embedding model is shared."""
    return "you don't own all of them" in response.json().get("detail", "")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("name", "route"), ROUTES, ids=named)
def test_route_requires_its_role(world: World, api_key: Callable[..., str], name: str, route: Route, role: str) -> None:
    assert route.access in ROLES
    is_allowed = ROLES.index(role) >= ROLES.index(route.access)
    for authorization in (world.token(role), api_key(role)):
        response = world.call(name, route, authorization, existing=not is_allowed)
        if is_allowed:
            assert response.status_code < 500, response.text
            assert response.status_code not in (401, 403) or needs_all_workspaces(response), response.text
        else:
            assert_problem(response, 403)
            assert f"requires the role {route.access}" in response.json()["detail"]


@pytest.mark.parametrize(("name", "route"), ROUTES, ids=named)
def test_limited_key_is_admitted_to_routes_of_its_scope_and_role(
    world: World, api_key: Callable[..., str], name: str, route: Route
) -> None:
    scope_of_route = route.scope or name

    def is_admitted(scope: str, role: str) -> bool:
        # All routes here need a role.
        return scope_of_route in (scope, "any") and role_covers(role, route.access)  # type: ignore[arg-type]

    before = contents(world)
    for scope, role in itertools.filterfalse(lambda key: is_admitted(*key), itertools.product(SCOPES, ROLES)):
        response = world.call(name, route, api_key(role, scope), existing=True)
        assert_problem(response, 403)
        has_scope = scope_of_route in (scope, "any")
        reason = f"requires the role {route.access}" if has_scope else f"limited to {scope}. Use a key with the scope"
        assert reason in response.json()["detail"], (scope, role)
        assert SECRET not in response.text, (scope, role)
    assert contents(world) == before
    for scope, role in filter(lambda key: is_admitted(*key), itertools.product(SCOPES, ROLES)):
        response = world.call(name, route, api_key(role, scope), existing=False)
        assert response.status_code < 500, response.text
        assert response.status_code not in (401, 403) or needs_all_workspaces(response), (scope, role, response.text)


def test_documented_routes_have_their_roles_and_scopes() -> None:
    rows = re.findall(r"^\| `([A-Z]+ /\S+)` \| (\w+) \| (\w+) \|$", ACCESS_PAGE.read_text(), re.MULTILINE)
    paths = {route: re.sub(r"<(?:[a-z]+:)?([a-z_]+)>", r"{\1}", route.path) for _, route in ALL_ROUTES}
    routes = [(f"{route.method} {paths[route]}", route.access, route.scope or name) for name, route in ALL_ROUTES]
    assert sorted(rows) == sorted(routes)


FORGED = {
    "X-CloudTasks-QueueName": "collection",
    "X-CloudTasks-TaskName": "t",
    "X-CloudScheduler": "true",
    "X-CloudScheduler-JobName": "headwater-tick",
    "User-Agent": "Google-Cloud-Tasks",
    "X-Forwarded-For": "127.0.0.1",
    "Host": "localhost",
}


def google_claims(**changes: Any) -> dict[str, Any]:
    claims = {"iss": "https://accounts.google.com", "aud": URL, "email": INVOKER, "email_verified": True, "sub": "1"}
    return {**claims, "exp": int(time.time()) + 600, **changes}


@pytest.mark.parametrize(("name", "path"), GOOGLE)
def test_internal_route_accepts_only_googles_tokens(world: World, name: str, path: str) -> None:
    claims = google_claims()
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    stripped = f"e30.{payload}.SIGNATURE_REMOVED_BY_GOOGLE"
    other = jwt.encode(claims, private_key("RS256", 99), "RS256", headers={"kid": "key-0"})
    ticket = {"queue": name, "id": str(uuid.uuid4())}
    tokens = [
        *bad_tokens(world.issuer).values(),
        world.issuer.token("ada"),
        stripped,
        other,
        unsigned(claims),
    ]
    tokens += [world.issuer.sign(claims), signed_by_hmac(claims, public_forms(private_key("RS256", 0))[0], "key-0")]
    tokens += [world.google.sign(google_claims(**change)) for change in ({"aud": f"{URL}/other"}, {"exp": 1})]
    for token in tokens:
        for header in ("Authorization", "X-Serverless-Authorization"):
            response = world.clients[name].post(
                path, json=ticket, headers={**FORGED, header: f"Bearer {token}".rstrip()}
            )
            assert_problem(response, 401)
    assert_problem(world.clients[name].post(path, json=ticket, headers=FORGED), 401)
    for token, status in ((world.google.sign(google_claims(email="other@p")), 403), (world.google.sign(claims), 200)):
        response = world.clients[name].post(path, json=ticket, headers={"Authorization": f"Bearer {token}"})
        assert response.status_code == status


def test_google_headers_give_no_access_to_api_routes(world: World) -> None:
    for name, route in ROUTES:
        assert_problem(world.call(name, route, None, existing=True, **FORGED), 401)


def test_public_routes_contain_only_status_and_service(world: World) -> None:
    for name, client in world.clients.items():
        for path in ("/heartbeat", "/ready", "/self-test"):
            assert client.get(path).json().keys() == {"status", "service"}, name


def test_share_link_shows_nothing_without_its_token(world: World) -> None:
    path = f"/api/shared/{world.ids['/api/share-links/']}"
    for authorization in (world.token("ada"), world.token("eve"), "Bearer hws_" + "0" * 32, ""):
        for given in (path, f"/api/shared/{UNKNOWN}"):
            response = world.clients["chat"].get(given, headers={"Authorization": authorization})
            assert_problem(response, 404)
            assert SECRET not in response.text
