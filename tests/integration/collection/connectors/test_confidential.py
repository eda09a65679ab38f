"""A server that sends a source's token back, wherever a response has room for it: no response, log or row has it."""

import base64
import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import quote as percent_encode

import pytest
import sqlalchemy as sa

from headwater import logs
from headwater.database.transactions import owner_transaction
from tests.harness.collection_app import CollectionClient
from tests.harness.databases import FreshDatabase
from tests.harness.git_server import GIT, Server, commit, make_repository, serve
from tests.harness.pipeline import Pipeline, running_pipeline

pytestmark = pytest.mark.skipif(GIT is None, reason="needs git on the PATH")

TOKEN = "s3cr3t/T0k+n-Zq9~Xy"
SECRET_KEY = base64.urlsafe_b64encode(b"k" * 32).decode()
ADVERTISEMENT = "application/x-git-upload-pack-advertisement"
RESULT = "application/x-git-upload-pack-result"
ESCAPES = "\x1b]0;x\x07\x9b\u202e"
"""Control sequences for a terminal, and an override of the direction of writing."""

PAIR = f"x-access-token:{TOKEN}"
FORMS = {
    "header": "Basic " + base64.b64encode(PAIR.encode()).decode(),
    "Base64": base64.b64encode(PAIR.encode()).decode(),
    "Base64 of the token": base64.urlsafe_b64encode(TOKEN.encode()).decode(),
    "raw": TOKEN,
    "pair": PAIR,
    "percent": percent_encode(TOKEN, safe=""),
    "URL": f"https://x-access-token:{percent_encode(TOKEN, safe='')}@git.example/r.git",
    "JSON": json.dumps({"Authorization": TOKEN}),
    "literal": repr(TOKEN.encode()),
    "upper case": TOKEN.upper(),
    "cut": TOKEN[3:-2],
}
"""The forms in which the server repeats the token."""

Response = Callable[[BaseHTTPRequestHandler, str], None]


def raw(*lines: str, body: bytes = b"") -> Response:
    """Return a response of these lines, in which `{}` is replaced by the echo."""

    def respond(handler: BaseHTTPRequestHandler, echo: str) -> None:
        head = "".join(line.replace("{}", echo) + "\r\n" for line in lines)
        handler.wfile.write(head.encode("utf-8", "replace") + b"\r\n" + body.replace(b"{}", echo.encode()))

    return respond


def pkt(text: str) -> str:
    return f"{len(text.encode()) + 4:04x}{text}"


def packets(content_type: str, *texts: str, channel: str = "") -> Response:
    """Return a response of pkt-lines."""

    def respond(handler: BaseHTTPRequestHandler, echo: str) -> None:
        lines = [pkt(channel + text.replace("{}", echo)) for text in texts]
        raw("HTTP/1.1 200 OK", f"Content-Type: {content_type}", body=("".join(lines) + "0000").encode())(handler, "")

    return respond


OK, TYPE = "HTTP/1.1 200 OK", f"Content-Type: {ADVERTISEMENT}"
SHA = "a" * 40
FIRST_RESPONSES = {
    "body of 401": raw("HTTP/1.1 401 No", body=b"Wrong: {}"),
    "body of 500": raw("HTTP/1.1 500 No", body=b"Wrong: {}"),
    "body": raw(OK, "Content-Type: text/plain", body=b"You sent {}"),
    "reason": raw("HTTP/1.1 403 {}"),
    "status": raw("HTTP/1.1 {}"),
    "version": raw("{} 200 OK"),
    "status line": raw("{}"),
    "content type": raw(OK, "Content-Type: {}"),
    "challenge": raw("HTTP/1.1 401 No", 'WWW-Authenticate: Basic realm="{}"'),
    "retry-after": raw("HTTP/1.1 429 Slow", "Retry-After: {}"),
    "header line without a name": raw(OK, TYPE, "{}", "X: y", body=b"0000"),
    "length": raw(OK, TYPE, "Content-Length: {}", body=b"0000"),
    "lengths": raw(OK, TYPE, "Content-Length: 4, {}", body=b"0000"),
    "chunk": raw(OK, TYPE, "Transfer-Encoding: chunked", body=b"{}\r\n"),
    "encoding": raw(OK, TYPE, "Content-Encoding: gzip", body=b"{}"),
    "redirect to a path": raw("HTTP/1.1 302 Found", "Location: /{}/info/refs?x={}"),
    "redirect to an address": raw("HTTP/1.1 302 Found", "Location: http://169.254.169.254/{}"),
    "redirect to a user": raw("HTTP/1.1 302 Found", "Location: http://{}@127.0.0.1:1/r.git"),
    "redirect to a host": raw("HTTP/1.1 302 Found", "Location: http://{}.invalid/r.git"),
    "redirect to a scheme": raw("HTTP/1.1 302 Found", "Location: {}://host/r.git"),
    "redirect to an invalid URL": raw("HTTP/1.1 302 Found", "Location: http://[{}]/"),
    "error packet": packets(ADVERTISEMENT, "ERR {}"),
    "later error packet": packets(ADVERTISEMENT, "# service=git-upload-pack\n", "ERR {}"),
    "packet length": raw(OK, TYPE, body=b"{}"),
    "service": packets(ADVERTISEMENT, "# service={}\n"),
    "version of the protocol": packets(ADVERTISEMENT, "version {}\n", "fetch=filter"),
    "capability": packets(ADVERTISEMENT, "version 2\n", "object-format={}\n", "fetch={}\n", "ls-refs\n"),
    "SHA": packets(ADVERTISEMENT, "{} refs/heads/main\0 multi_ack"),
    "old references": packets(ADVERTISEMENT, f"{SHA} refs/heads/{{}}\0 multi_ack side-band-64k\n"),
}
"""Responses to the first request of a fetch."""

LATER_RESPONSES = {
    "error packet": packets(RESULT, "ERR {}"),
    "progress": packets(RESULT, "packfile\n", "\x02{}\n", "\x01PACK{}"),
    "fatal error": packets(RESULT, "packfile\n", "\x03fatal: {}\n"),
    "unknown section": packets(RESULT, "{}\n"),
    "references": packets(RESULT, f"{SHA} refs/heads/{{}}\n", f"{SHA} HEAD symref-target:refs/heads/{{}}\n"),
    "packet length": raw(OK, f"Content-Type: {RESULT}", body=b"{}"),
    "body of 500": raw("HTTP/1.1 500 {}", body=b"{}"),
    "body of 403": raw("HTTP/1.1 403 {}", "X-Echo: {}", body=b"{}"),
    "gzip": raw(OK, f"Content-Type: {RESULT}", "Content-Encoding: gzip", body=gzip.compress(b"{}")[:10] + b"{}"),
}
"""Responses to the requests that follow."""


@dataclass
class World:
    """A pipeline, a client of the API, and a server that requires the token."""

    pipeline: Pipeline
    client: CollectionClient
    server: Server
    database: FreshDatabase
    folder: Path

    def new_source(self) -> dict[str, Any]:
        return {"kind": "git", "name": "docs", "config": {"url": f"{self.server.url}/r.git"}, "token": TOKEN}

    def echo(self, response: Response, form: str, *, to: str) -> None:
        """Let the server answer requests with a method by a response with an echo."""

        def answer(handler: BaseHTTPRequestHandler) -> bool:
            if handler.command != to or not handler.headers.get("Authorization"):
                return False
            handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
            response(handler, FORMS[form] + ESCAPES)
            return True

        self.server.answer = answer

    def stored(self) -> str:
        """Return all rows of all tables as text."""
        with owner_transaction(self.database.admin_url) as tx:
            tables = tx.execute(sa.text("select tablename from pg_tables where schemaname = 'headwater'")).scalars()
            rows = [tx.execute(sa.text(f"select to_json(t)::text from headwater.{table} t")) for table in tables.all()]
            return "\n".join(text for result in rows for text in result.scalars())


@pytest.fixture(scope="module")
def world(module_database: FreshDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("repositories")
    make_repository(folder / "r.git", {"a.md": b"# A\n"})
    limits = {"secret_key": SECRET_KEY, "max_upstream_attempts": 1, "max_attempts": 1}
    with running_pipeline(module_database, **limits) as pipeline, serve(folder, partial=True, token=TOKEN) as server:
        client = CollectionClient(pipeline.database, pipeline.settings)
        yield World(pipeline, client, server, module_database, folder)


def assert_confidential(text: str) -> None:
    """Assert that a text has no eight successive characters of the token in any form, and nothing unprintable."""
    lower = text.lower()
    found = [part for part in PARTS if part in lower]
    assert not found, text[max(0, lower.index(found[0]) - 200) :][:400]
    assert text.replace("\n", "").isprintable(), ascii(text)


ENCODED = (
    TOKEN,
    percent_encode(TOKEN, safe=""),
    base64.b64encode(TOKEN.encode()).decode().rstrip("="),
    base64.urlsafe_b64encode(TOKEN.encode()).decode().rstrip("="),
    base64.b64encode(PAIR.encode()).decode().removeprefix("eC1hY2Nlc3MtdG9rZW46"),
)
PARTS = {secret.lower()[i : i + 8] for secret in ENCODED for i in range(len(secret) - 7)}


@pytest.mark.parametrize("place", FIRST_RESPONSES)
def test_check_of_a_source_keeps_the_token(world: World, place: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("DEBUG")
    for form in FORMS:
        world.echo(FIRST_RESPONSES[place], form, to="GET")
        response = world.client.client.post("/api/sources", json=world.new_source())
        assert response.status_code == 422
        assert_confidential(response.text)
    captured = capsys.readouterr()
    assert captured.out.count('"status": 422') == len(FORMS)
    assert_confidential(captured.out + captured.err)


PLACES = [*(("GET", place) for place in FIRST_RESPONSES), *(("POST", place) for place in LATER_RESPONSES)]


@pytest.fixture
def forms(request: pytest.FixtureRequest, place: str) -> list[str]:
    """The forms for a place: every third one, beginning with another at the next place; or all, by --every-input."""
    every_input = request.config.getoption("--every-input")
    return [*FORMS] if every_input else [*FORMS][[*FIRST_RESPONSES, *LATER_RESPONSES].index(place) % 3 :: 3]


@pytest.mark.parametrize(("method", "place"), PLACES)
def test_run_of_a_source_keeps_the_token(
    world: World, method: str, place: str, forms: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("DEBUG")
    world.server.answer = None
    source = world.client.post("/api/sources", world.new_source(), 201)
    shown = []
    for form in forms:
        world.echo((FIRST_RESPONSES if method == "GET" else LATER_RESPONSES)[place], form, to=method)
        run_id = world.client.post(f"/api/sources/{source['id']}/collect")["run_id"]
        world.pipeline.drain()
        shown += [world.client.get(f"/api/runs/{run_id}{path}") for path in ("", "/items")]
        assert shown[-2]["state"] == "failed"
    shown.append(world.client.get("/api/sources"))
    world.client.delete(f"/api/sources/{source['id']}")
    captured = capsys.readouterr()
    assert captured.out.count('"action": "step.failed"') == len(forms)
    assert_confidential(json.dumps(shown) + captured.out + captured.err)


@pytest.mark.parametrize("place", LATER_RESPONSES)
def test_fetched_file_keeps_the_token(
    world: World, place: str, forms: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The server answers the listing, and echoes when it is asked for a file."""
    logs.configure("DEBUG")
    world.server.answer = None
    source = world.client.post("/api/sources", world.new_source(), 201)
    for n, form in enumerate(forms):
        commit(world.folder / "r.git", {"a.md": f"# {place} {n}\n".encode(), "b.md": f"# {n}\n".encode()})
        world.server.answer = None
        run_id = world.client.post(f"/api/sources/{source['id']}/collect")["run_id"]
        assert world.pipeline.step("collection") == 1  # `list`
        world.echo(LATER_RESPONSES[place], form, to="POST")
        world.pipeline.drain()
        items = world.client.get(f"/api/runs/{run_id}/items")["items"]
        assert {item["state"] for item in items} == {"failed"}
        assert_confidential(json.dumps([items, world.client.get(f"/api/runs/{run_id}")]))
    assert_confidential(world.stored())
    world.client.delete(f"/api/sources/{source['id']}")
    captured = capsys.readouterr()
    assert_confidential(captured.out + captured.err)
