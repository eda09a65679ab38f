"""The HTTP shell, with routes of this test."""

import json
from datetime import date, datetime
from typing import Any, Literal

import flask
import msgspec
import pytest
from flask.testing import FlaskClient

from headwater.config import Settings
from headwater.errors import UpstreamError
from headwater.web.app import App, Call, Reply, Route
from headwater.web.limits import MAX_BODY_BYTES
from tests.harness.local_token import LOCAL_TOKEN
from tests.harness.support import unopened_database


class Tone(msgspec.Struct, forbid_unknown_fields=True):
    warmth: int = 0


class Greeting(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    times: int = 1
    more: Any = None
    style: Literal["short", "long"] | None = None
    tone: Tone | None = None


class Count(msgspec.Struct):
    n: int = 3
    unit: Literal["m", "km"] = "m"
    since: date | None = None
    note: str | None = None
    until: datetime | None = None


def greet(call: Call) -> dict[str, Any]:
    return {"hello": call.body.name}


def crash(call: Call) -> None:
    raise ValueError("secret text")


def busy(call: Call) -> None:
    raise UpstreamError("The model is busy.", 7)


def versioned(call: Call) -> Reply:
    return Reply(status=304, etag="7") if call.has_version("7") else Reply({}, etag="7")


ROUTES = [
    Route("POST", "/api/greetings", greet, "Greet", body=Greeting, status=201),
    Route("GET", "/api/things/<uuid:id>", lambda call: {"id": call.path["id"]}, "Read"),
    Route("DELETE", "/api/things/<uuid:id>", lambda call: None, "Delete", status=204),
    Route("GET", "/api/crash", crash, "Crash"),
    Route("GET", "/api/busy", busy, "Busy"),
    Route("GET", "/api/count", lambda call: {"n": call.args.n}, "Count", query=Count),
    Route("POST", "/api/count", lambda call: {"n": call.body.n}, "Count", body=Count),
    Route("PATCH", "/api/count", lambda call: {"n": call.body.n}, "Count", body=Count),
    Route("GET", "/api/version", versioned, "V"),
    Route("GET", "/api/teapot", lambda call: Reply({"short": True}, 418, {"X-Kind": "tea"}), "Tea"),
    Route("POST", "/tasks/drain", lambda call: {}, "Drain", access="google"),
]
THING = "/api/things/00000000-0000-4000-8000-000000000000"


def client(**changes: Any) -> FlaskClient:
    values = {"database_url": "x", "local_token": LOCAL_TOKEN, "cors_origins": ("https://app.example",)}
    settings = Settings(**(values | changes))
    app = App("test", settings, ROUTES, unopened_database())
    server = flask.Flask("test")
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    server.add_url_rule("/<path:path>", "all", lambda path: app(flask.request), methods=methods)
    client = server.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {LOCAL_TOKEN}"
    return client


def problem_of(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.data
    assert response.content_type == "application/problem+json"
    problem: dict[str, Any] = json.loads(response.data)
    assert problem["status"] == status
    assert problem["request_id"] == response.headers["X-Request-Id"]
    return problem


def test_body_is_decoded_and_the_result_encoded() -> None:
    response = client().post("/api/greetings", data='{"name": "Ada"}')
    assert (response.status_code, response.json) == (201, {"hello": "Ada"})


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[]", 422),
        (b'{"name": 3}', 422),
        (b'{"name": "a", "other": 1}', 422),
        (b'{"times": 1}', 422),
        (b'{"name": "' + b"x" * MAX_BODY_BYTES + b'"}', 413),
        (b'{"name": "a", "more": ' + b"[" * 100_000, 400),
    ],
)
def test_invalid_body_is_a_problem(body: bytes, status: int) -> None:
    problem = problem_of(client().post("/api/greetings", data=body), status)
    assert problem["detail"].startswith("Invalid body: " if status == 422 else "The body ")


@pytest.mark.parametrize("body", [b"", b" \n", b"{}"])
def test_empty_body_of_a_post_without_required_fields_is_an_empty_object(body: bytes) -> None:
    assert client().post("/api/count", data=body).json == {"n": 3}
    assert problem_of(client().post("/api/count", data=b"null"), 422)["detail"].startswith("Invalid body: ")


def test_empty_body_of_a_patch_is_a_problem() -> None:
    assert problem_of(client().patch("/api/count"), 400)["detail"] == "The body is empty. Send a JSON object."


@pytest.mark.parametrize("body", [b'{"name": "\\ud83d"}', b'{"name": "a\\udc00b", "more": "\\u00e9\\ud83d\\ude00"}'])
def test_half_of_a_surrogate_pair_is_named(body: bytes) -> None:
    detail = problem_of(client().post("/api/greetings", data=body), 400)["detail"]
    assert detail == "The body is not valid JSON: a text has half of a surrogate pair, such as `\\ud83d`."


def test_invalid_choice_is_answered_with_the_values_to_use() -> None:
    detail = problem_of(client().post("/api/greetings", data='{"name": "Ada", "style": "x"}'), 422)["detail"]
    assert detail == "Invalid body: Invalid enum value 'x' - at `$.style`. Use one of `short`, `long`."
    detail = problem_of(client().get("/api/count?unit=mile"), 422)["detail"]
    assert detail == "Invalid query parameters: Invalid enum value 'mile' - at `$.unit`. Use one of `m`, `km`."


def test_unknown_field_is_answered_with_the_fields_to_use() -> None:
    detail = problem_of(client().post("/api/greetings", data='{"name": "Ada", "nmae": "x"}'), 422)["detail"]
    assert detail.startswith("Invalid body: Object contains unknown field `nmae`. The fields are `name`, ")
    inner = problem_of(client().post("/api/greetings", data='{"name": "Ada", "tone": {"heat": 1}}'), 422)["detail"]
    assert inner == "Invalid body: Object contains unknown field `heat` - at `$.tone`."


def test_unknown_path_is_404_and_wrong_method_405() -> None:
    problem_of(client().get("/api/nothing"), 404)
    problem_of(client().get("/api/things/not-a-uuid"), 404)
    response = client().put(THING)
    assert problem_of(response, 405)["allowed"] == ["DELETE", "GET", "HEAD"]
    assert response.headers["Allow"] == "DELETE, GET, HEAD"


def test_unexpected_error_is_500_without_its_text() -> None:
    assert "secret" not in json.dumps(problem_of(client().get("/api/crash"), 500))


def test_upstream_error_sets_retry_after() -> None:
    response = client().get("/api/busy")
    assert problem_of(response, 503)["detail"] == "The model is busy."
    assert response.headers["Retry-After"] == "7"


def test_query_parameter_is_decoded_by_type() -> None:
    assert client().get("/api/count").json == {"n": 3}
    assert client().get("/api/count?n=5").json == {"n": 5}
    assert client().get("/api/count?note=null&until=2026-01-31T08:00:00Z").json == {"n": 3}
    assert client().get("/api/count?note=caf%C3%A9").json == {"n": 3}
    problem_of(client().get("/api/count?n=five"), 422)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("n=5&n=6", "`n` is repeated. Send it once."),
        ("n=5&unit=m&n=5", "`n` is repeated. Send it once."),
        ("since=null", "`since` can't be null. Leave it out."),
        ("since=Null", "`since` can't be null. Leave it out."),
        ("since=31.1.2026", "Expected a date such as 2026-01-31 - at `$.since`."),
        ("n=x", "Expected `int` - at `$.n`."),
        ("until=2026-01-31", "Expected a time such as 2026-01-31T08:00:00Z - at `$.until`."),
        ("until=20260131", "Expected a time such as 2026-01-31T08:00:00Z - at `$.until`."),
        ("until=0.5", "Expected a time such as 2026-01-31T08:00:00Z - at `$.until`."),
        ("note=caf%E9", "percent-encode their text as UTF-8."),
        ("note=%ED%A0%80", "percent-encode their text as UTF-8."),
    ],
)
def test_invalid_query_parameter_is_named(query: str, reason: str) -> None:
    assert problem_of(client().get(f"/api/count?{query}"), 422)["detail"] == f"Invalid query parameters: {reason}"


def test_reply_sets_status_and_headers() -> None:
    response = client().get("/api/teapot")
    assert (response.status_code, response.headers["X-Kind"], response.json) == (418, "tea", {"short": True})


def test_unchanged_result_is_304() -> None:
    first = client().get(THING)
    again = client().get(THING, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_head_has_the_headers_of_get() -> None:
    response = client().head(THING)
    assert (response.status_code, response.data) == (200, b"")
    headers = dict(client().get(THING).headers) | {"X-Request-Id": response.headers["X-Request-Id"]}
    assert dict(response.headers) == headers
    again = client().head(THING, headers={"If-None-Match": response.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("if_none_match", "status"), [('"7"', 304), ('W/"7"', 304), ('"6", "7"', 304), ('"6"', 200), ("", 200)]
)
def test_has_version_compares_if_none_match(if_none_match: str, status: int) -> None:
    response = client().get("/api/version", headers={"If-None-Match": if_none_match})
    assert (response.status_code, response.headers["ETag"]) == (status, '"7"')


def test_request_id_is_kept_if_valid_else_generated() -> None:
    assert client().get(THING, headers={"X-Request-Id": "abcdef-123456"}).headers["X-Request-Id"] == "abcdef-123456"
    generated = client().get(THING, headers={"X-Request-Id": "<script>alert(1)</script>"}).headers["X-Request-Id"]
    assert len(generated) == 32


def test_only_configured_origins_are_allowed() -> None:
    preflight = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    allowed = client().options("/api/greetings", headers=preflight)
    assert (allowed.status_code, allowed.headers["Access-Control-Allow-Origin"]) == (204, "https://app.example")
    assert client().get(THING, headers={"Origin": "https://app.example"}).status_code == 200
    problem_of(client().get(THING, headers={"Origin": "https://evil.example"}), 403)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "[::1"},
        {"X-Forwarded-Host": "evil.example:80"},
        {"Origin": "null"},
        {"Origin": "http://["},
    ],
)
def test_local_mode_rejects_other_host_names(headers: dict[str, str]) -> None:
    problem_of(client().get(THING, headers=headers), 403)


def test_local_mode_rejects_other_peers() -> None:
    problem_of(client().get(THING, environ_base={"REMOTE_ADDR": "10.0.0.9"}), 403)


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer x",
        f"Basic {LOCAL_TOKEN}",
        f"Bearer {LOCAL_TOKEN}x",
        f"Bearer {LOCAL_TOKEN[:-1]}",
        "Bearer \xff",
    ],
)
def test_local_mode_requires_its_token(authorization: str) -> None:
    problem = problem_of(client().get(THING, headers={"Authorization": authorization}), 401)
    assert "the file `token` of the data folder" in problem["detail"]
    assert client().get(THING, headers={"Authorization": f"bearer {LOCAL_TOKEN}"}).status_code == 200


@pytest.mark.parametrize(
    ("workspace", "status"),
    [
        ("", 200),
        ("00000000-0000-4000-8000-000000000001", 200),
        ("x", 400),
        ("00000000-0000-4000-8000-00000000000a", 403),
    ],
)
def test_local_mode_has_one_workspace(workspace: str, status: int) -> None:
    assert client().get(THING, headers={"X-Workspace": workspace}).status_code == status


def test_local_mode_without_a_token_accepts_no_request() -> None:
    for authorization in ("", "Bearer ", "Bearer x"):
        problem_of(client(local_token="").get(THING, headers={"Authorization": authorization}), 401)


@pytest.mark.parametrize("token", ["", "Bearer x", "Bearer a.b.c", "Bearer a.b.SIGNATURE_REMOVED_BY_GOOGLE"])
def test_drain_without_google_token_is_401(token: str) -> None:
    problem_of(client().post("/tasks/drain", headers={"Authorization": token}), 401)
