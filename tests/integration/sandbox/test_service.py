"""The service `sandbox` over HTTP, called as the function chat does it."""

import struct
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
import requests
from werkzeug import Response
from werkzeug.serving import make_server

from headwater.errors import UnprocessableContent
from headwater.sandbox.frames import SandboxFailed, SandboxUnavailable
from headwater.sandbox.limits import Limits
from headwater.sandbox.service import wire
from headwater.sandbox.service.remote import RemoteSandbox, id_token_session
from tests.fakes.api_server import ApiServer, Reply, Request, running
from tests.fakes.google_token import service_account_key
from tests.fakes.sandbox_service import SandboxService, id_token

WORKSPACE = uuid.UUID(int=1)
LIMITS = Limits(seconds=60)


@pytest.fixture
def sandbox(service: SandboxService) -> RemoteSandbox:
    return RemoteSandbox(service.url, WORKSPACE, service.session())


def test_command_gets_files_and_returns_files_and_output(sandbox: RemoteSandbox) -> None:
    given = {"in/data.txt": b"1\n2\n", "empty": b"", "name with ü": b"\0\xff"}
    outcome = sandbox.run(["sh", "-c", "sort -r in/data.txt | tee out.txt; rm empty; exit 3"], given, LIMITS)
    assert (outcome.reason, outcome.code, outcome.output) == ("exit", 3, b"2\n1\n")
    assert outcome.files == {"in/data.txt": b"1\n2\n", "name with ü": b"\0\xff", "out.txt": b"2\n1\n"}
    assert sandbox.run(["ls", "-A"], {}, LIMITS).output == b""


def test_output_arrives_while_the_command_runs_and_a_stop_ends_it(sandbox: RemoteSandbox) -> None:
    seen: list[bytes] = []
    outcome = sandbox.run(
        ["sh", "-c", "echo first; sleep 1000"], {}, LIMITS, on_output=seen.append, is_stopped=lambda: bool(seen)
    )
    assert (outcome.reason, outcome.output) == ("stopped", b"first\n")
    # The instance takes the next request once it has noticed that the caller has gone.
    assert sandbox.run(["echo", "next"], {}, LIMITS).output == b"next\n"


def test_limits_are_those_of_the_request(sandbox: RemoteSandbox) -> None:
    outcome = sandbox.run(["sh", "-c", "yes"], {}, Limits(output_bytes=5000))
    assert (outcome.reason, len(outcome.output)) == ("output", 5000)
    assert sandbox.run(["sleep", "100"], {}, Limits(seconds=1)).reason == "time"
    with pytest.raises(UnprocessableContent, match="Limits above those of the service: seconds"):
        sandbox.run(["true"], {}, Limits(seconds=301))


def test_file_that_does_not_fit_the_disk_is_refused(sandbox: RemoteSandbox) -> None:
    with pytest.raises(UnprocessableContent, match="can't be written to the sandbox's disk"):
        sandbox.run(["true"], {"large": bytes(3_000_000)}, Limits(disk_bytes=1024**2))
    with pytest.raises(UnprocessableContent, match="33 MiB together"):
        sandbox.run(["true"], {"large": bytes(33 * 1024**2)}, LIMITS)
    with pytest.raises(UnprocessableContent, match="is not the path of a file below the folder"):
        sandbox.run(["true"], {"../x": b""}, LIMITS)


def test_instance_ends_before_it_serves_another_workspace(service: SandboxService, sandbox: RemoteSandbox) -> None:
    assert sandbox.run(["true"], {}, LIMITS).code == 0
    before = service.starts
    other = RemoteSandbox(service.url, uuid.UUID(int=2), service.session())
    assert other.run(["echo", "other"], {}, LIMITS).output == b"other\n"
    assert service.starts == before + 1
    assert other.run(["echo", "again"], {}, LIMITS).output == b"again\n"
    assert service.starts == before + 1


def test_killed_instance_is_an_error_that_can_be_retried(service: SandboxService, sandbox: RemoteSandbox) -> None:
    with pytest.raises(SandboxFailed):
        sandbox.run(["sh", "-c", "echo begun; sleep 1000"], {}, LIMITS, on_output=lambda _: service.kill())
    assert sandbox.run(["echo", "next"], {}, LIMITS).output == b"next\n"


@pytest.mark.parametrize("token", ["", "for another service"])
def test_caller_without_a_token_for_the_service_is_refused(service: SandboxService, token: str) -> None:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {id_token('https://other.example')}" if token else ""
    with pytest.raises(SandboxUnavailable, match=r"refuses this function \(403\)"):
        RemoteSandbox(service.url, WORKSPACE, session).run(["true"], {}, LIMITS)


def test_functions_account_gets_a_token_for_the_service(
    service: SandboxService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Tokens(ApiServer):
        def answer(self, request: Request) -> Reply:
            assert request.body["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
            return Reply({"id_token": id_token(service.url)})

    with running(Tokens()) as tokens:
        key = tmp_path / "key.json"
        key.write_text(service_account_key(f"{tokens.origin}/token"))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
        sandbox = RemoteSandbox(service.url, WORKSPACE, id_token_session(service.url))
        assert sandbox.run(["echo", "hello"], {}, LIMITS).output == b"hello\n"
        assert tokens.take_statuses() == [200]


def body(**changed: object) -> bytes:
    header = {"workspace_id": str(WORKSPACE), "command": ["true"], "limits": {}, "files": [], **changed}
    encoded = msgspec.json.encode(header)
    return struct.pack(">I", len(encoded)) + encoded


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "too short"),
        (b"\0\0\0\x09{}", "Invalid header"),
        (b"\xff\xff\xff\xff" + b"{" * 100, "Invalid header"),
        (body(command=[]), "Invalid header"),
        (body(workspace_id="x"), "Invalid header"),
        (body(extra=1), "Invalid header"),
        (body(files=[["../x", 0]]), "below the folder"),
        (body(files=[["x", -1]]), "Invalid header"),
        (body(files=[["x", 10**12]]), "don't add up"),
        (body() + b"more", "don't add up"),
        (body(limits={"memory_bytes": 2**40}), "memory_bytes"),
    ],
)
def test_invalid_body_is_refused(service: SandboxService, content: bytes, says: str) -> None:
    response = service.session().post(f"{service.url}{wire.RUN_PATH}", data=content, timeout=60)
    assert (response.status_code, says in response.text) == (422, True), response.text


def test_other_routes_and_too_large_bodies_are_refused(service: SandboxService) -> None:
    session = service.session()
    assert session.get(f"{service.url}/run", timeout=60).status_code == 405
    assert session.get(f"{service.url}/etc/passwd", timeout=60).status_code == 404
    headers = {"Content-Length": str(wire.MAX_BODY_BYTES + 1)}
    assert session.post(f"{service.url}/run", headers=headers, timeout=60).status_code == 413


@contextmanager
def serving(response: Response) -> Iterator[str]:
    """Run a server that always sends this response; yields its URL."""
    server = make_server("127.0.0.1", 0, response, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    "reply",
    [b"z\0\0\0\0", b"e\0\0\0\2{}", b"e\0\0\0\1x", b"f\0\0\0\7\0\0\0\2..x", b"o\0\0\0\0", b"s\0\0\0\x021]", bytes(1000)],
)
def test_hostile_instance_is_a_failure(reply: bytes) -> None:
    with (
        serving(Response(reply, content_type=wire.RESPONSE_TYPE)) as url,
        pytest.raises(SandboxFailed, match=r"returned|ended"),
    ):
        RemoteSandbox(url, WORKSPACE, requests.Session()).run(["true"], {}, LIMITS)


def test_stopped_caller_does_not_wait_for_busy_instances() -> None:
    with serving(Response(status=429)) as url:
        sandbox = RemoteSandbox(url, WORKSPACE, requests.Session())
        answers = iter((False, False, True))
        with pytest.raises(SandboxFailed, match="busy"):
            sandbox.run(["true"], {}, LIMITS, is_stopped=lambda: next(answers))
