"""The functions and the Worker have the same limits, and agree about headers. docs/limits.md lists the limits."""

import re
from collections.abc import Iterator

import pytest
from msgspec.inspect import IntType

from functions.chat.files.preview_routes import CONTENT_SECURITY_POLICY
from functions.collection.documents.upload import MAX_KEY_BYTES
from functions.embedding.embeddings import MAX_INPUTS
from headwater.auth.user_tokens import MAX_SUBJECT_CHARS
from headwater.config import Settings
from headwater.filters.globs import MAX_PATTERN_CHARS, MAX_PATTERNS
from headwater.web import limits, request_reader
from headwater.web.app import Route
from scripts.openapi import all_routes
from tests.harness.invalid_values import fields_of
from tests.harness.paths import ROOT

WORKER = ROOT / "edge" / "worker"
PUBLIC = [r for routes in all_routes().values() for r in routes if r.access not in ("public", "google")]
SIZES = {name: value for name, value in vars(limits).items() if name.startswith("MAX_")}
NOT_FORWARDED = {
    "Host",
    "Access-Control-Request-Method",  # the Worker answers preflight requests
    "X-Cloud-Trace-Context",  # set by Cloud Run
}
SET_BY_WORKER = {"X-Forwarded-Host", "X-Request-Id", "X-Serverless-Authorization", "traceparent"}


def worker_numbers() -> dict[str, int]:
    """Return the constants of the Worker's module."""
    found = re.findall(r"^export const (\w+) = ([\d_]+);$", (WORKER / "limits.ts").read_text(), re.MULTILINE)
    return {name: int(value) for name, value in found}


def string_list(module: str, name: str) -> set[str]:
    """Return a list of strings from a module of the Worker."""
    match = re.search(rf"const {name} = \[(.*?)\];", (WORKER / module).read_text(), re.DOTALL)
    assert match
    return set(re.findall(r'"([^"]+)"', match[1]))


def modules(pattern: str) -> Iterator[str]:
    """Return the code of the functions' modules whose name matches."""
    for folder in ("functions", "shared/headwater/auth", "shared/headwater/web"):
        yield from (path.read_text() for path in (ROOT / folder).rglob(pattern))


def test_worker_has_the_same_sizes() -> None:
    numbers = worker_numbers()
    assert {name: numbers[name] for name in SIZES} == SIZES


@pytest.mark.parametrize("route", PUBLIC, ids=lambda route: f"{route.method} {route.path}")
def test_route_accepts_the_bodies_that_the_worker_forwards(route: Route) -> None:
    paths = ("/api/sources/<uuid:id>/", "/api/uploads/", "/api/conversation-files")
    is_file = route.method == "PUT" and route.path.startswith(paths)
    is_upload = is_file or route.path == "/api/hooks/<uuid:id>/mail"
    assert route.max_body_bytes == (limits.MAX_UPLOAD_BYTES if is_upload else limits.MAX_BODY_BYTES)


def test_server_accepts_what_the_worker_forwards() -> None:
    assert limits.MAX_URL_BYTES + len("OPTIONS  HTTP/1.1\r\n") <= request_reader.MAX_LINE_BYTES
    own = 4 * 1024  # the Worker's headers, most of it the token for Cloud Run, and Cloud Run's
    assert limits.MAX_HEADER_BYTES + own <= request_reader.MAX_HEADERS_BYTES
    assert request_reader.MAX_CONTENT_BYTES >= limits.MAX_UPLOAD_BYTES


def test_page_has_the_limits() -> None:
    rows = [line.split(" | ") for line in (ROOT / "docs" / "limits.md").read_text().splitlines() if line[:2] == "| "]
    told = {row[0].removeprefix("| "): " ".join(row[1:]) for row in rows}
    numbers = worker_numbers()
    for what, values in {
        "the same, where workerd runs without Cloudflare": [limits.MAX_URL_BYTES],
        "headers that the Worker forwards, in total; one may use all of it": [limits.MAX_HEADER_BYTES],
        "body": [limits.MAX_BODY_BYTES],
        "body of an upload, `PUT /api/sources/{id}/documents`, `…/files` or `…/parts/{number}`, or "
        "`PUT /api/conversation-files`, and of mail, `POST /api/hooks/{id}/mail`": [limits.MAX_UPLOAD_BYTES],
        "time for the whole body to arrive": [numbers["BODY_TIMEOUT_S"], numbers["UPLOAD_TIMEOUT_S"]],
        "bodies in the Worker's memory, for each caller": [numbers["MAX_BUFFERED_BYTES_PER_CALLER"] // 1_000_000],
        "bodies in the Worker's memory, in total": [numbers["MAX_BUFFERED_BYTES"] // 1_000_000],
        "a question: `q` of `/api/search`, the last message of `POST /api/chat`": [Settings.max_question_chars],
        "names of sources, members and API keys": [200],
        "a member's subject": [MAX_SUBJECT_CHARS],
        "`key` of an uploaded document": [MAX_KEY_BYTES],
        "patterns of a source": [MAX_PATTERNS, MAX_PATTERN_CHARS],
        "`input` of `/v1/embeddings`": [MAX_INPUTS],
    }.items():
        assert all(f"{value:,}" in told[what] for value in values), what


def test_page_has_the_page_sizes() -> None:
    page = (ROOT / "docs" / "limits.md").read_text()
    for route in PUBLIC:
        for field in fields_of(route.query) if route.query else ():
            if isinstance(field.type, IntType):
                assert f"{field.type.ge} to {field.type.le:,}" in page


def test_worker_forwards_the_headers_that_functions_read() -> None:
    reads = re.compile(r"request\.headers\.get\(\"([\w-]+)\"|\"([\w-]+)\" in request\.headers")
    read = {name for code in modules("*.py") for match in reads.findall(code) for name in match if name}
    assert {"Authorization", "Last-Event-ID", "X-Workspace"} <= read
    read |= {"Content-Type", "If-None-Match"}  # read by werkzeug
    assert read - NOT_FORWARDED - SET_BY_WORKER <= string_list("upstream/request-headers.ts", "FORWARDED")


def test_worker_returns_the_headers_that_functions_set() -> None:
    sets = re.compile(r"response\.headers(?:\[|\.add\(|\.setdefault\()\"([\w-]+)\"|\"([A-Z][\w-]+)\": \"")
    names = ("app.py", "routes.py", "ui_message_stream.py")
    found = {name for n in names for code in modules(n) for match in sets.findall(code) for name in match if name}
    assert {"Cache-Control", "Vary", "Retry-After"} <= found
    own = {name for name in found if not name.startswith("Access-Control-")}
    set_by_worker = set(re.findall(r'"([\w-]+)": "', (WORKER / "http" / "security-headers.ts").read_text()))
    assert own - set_by_worker <= string_list("upstream/response-headers.ts", "RETURNED")


def test_worker_sends_the_policy_of_previews() -> None:
    code = (WORKER / "http" / "security-headers.ts").read_text()
    [policy] = re.findall(r"const PREVIEW_POLICY = \[\n(.*?)\n\]", code, re.DOTALL)
    assert "; ".join(re.findall(r'"(.+)"', policy)) == CONTENT_SECURITY_POLICY
