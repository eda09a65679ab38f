"""Routing of requests, and errors in Google's format."""

import asyncio
import enum
import json
from typing import Any

import pytest

from localcloud.rest.router import ApiError, Call, Route, Router


class State(enum.Enum):
    RUNNING = 1


def fail(call: Call) -> dict[str, Any]:
    raise ApiError("ALREADY_EXISTS", "Queue already exists")


def break_down(call: Call) -> dict[str, Any]:
    raise ZeroDivisionError


def show(call: Call) -> dict[str, Any]:
    return {"path": dict(call.path), "query": dict(call.query), "body": call.body, "state": State.RUNNING}


async def wait(call: Call) -> dict[str, Any]:
    await asyncio.sleep(0)
    return {"host": call.host}


ROUTER = Router(
    [
        Route("GET", "/v2/{name=projects/*/locations/*/queues/*}", "GetQueue", show),
        Route("POST", "/v2/{name=projects/*/queues/*}:pause", "PauseQueue", show),
        Route("POST", "/v2/{queue=projects/*/queues/*}/tasks/{task_id=*}:buffer", "BufferTask"),
        Route("POST", "/fail", "Fail", fail),
        Route("POST", "/break", "Break", break_down),
        Route("POST", "/wait", "Wait", wait),
    ]
)


def answer(verb: str, target: str, body: bytes = b"") -> tuple[int, Any]:
    status, payload = asyncio.run(ROUTER.answer(verb, target, body))
    return status, json.loads(payload)


@pytest.mark.parametrize("host", ["", "http://127.0.0.1:1"])
def test_method_is_found_by_its_template(host: str) -> None:
    status, shown = answer("GET", f"{host}/v2/projects/a.b:c/locations/l/queues/q%20r?pageSize=2&$alt=json")
    assert (status, shown["path"]) == (200, {"name": "projects/a.b:c/locations/l/queues/q r"})
    assert shown["query"] == {"pageSize": "2", "$alt": "json"}
    assert shown["body"] == {}


def test_custom_verb_is_not_part_of_the_name() -> None:
    assert answer("POST", "/v2/projects/p/queues/q:pause", b'{"a": 1}')[1]["path"] == {"name": "projects/p/queues/q"}


def test_enums_are_written_as_names_or_numbers() -> None:
    path = "/v2/projects/p/locations/l/queues/q"
    assert answer("GET", path + "?alt=json")[1]["state"] == "RUNNING"
    assert answer("GET", path + "?%24alt=json%3Benum-encoding%3Dint")[1]["state"] == 1


def test_error_has_googles_format() -> None:
    error = {"code": 409, "message": "Queue already exists", "status": "ALREADY_EXISTS"}
    assert answer("POST", "/fail") == (409, {"error": error})


@pytest.mark.parametrize(
    ("verb", "path", "name"),
    [("POST", "/v2/projects/p/queues/q/tasks/t:buffer", "BufferTask"), ("PUT", "/v2/x", "PUT /v2/x")],
)
def test_unsupported_method_is_answered_with_501_and_its_name(verb: str, path: str, name: str) -> None:
    status, body = answer(verb, path)
    assert (status, body["error"]["status"]) == (501, "UNIMPLEMENTED")
    assert body["error"]["message"].startswith(name)


def test_unexpected_error_is_answered_with_500_and_logged(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer("POST", "/break")[1]["error"]["status"] == "INTERNAL"
    assert "ZeroDivisionError" in json.loads(capsys.readouterr().out)["stack_trace"]


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000], ids=["cut", "not UTF-8", "deep"])
def test_invalid_json_is_answered_with_400(body: bytes) -> None:
    assert answer("POST", "/v2/projects/p/queues/q:pause", body)[0] == 400


def test_handler_can_be_a_coroutine() -> None:
    assert answer("POST", "/wait") == (200, {"host": ""})


def test_host_of_an_absolute_target_replaces_the_host_header() -> None:
    for target, expected in (("http://here-run.local/wait", "here-run.local"), ("/wait", "localhost:1")):
        _, payload = asyncio.run(ROUTER.answer("POST", target, b"", "localhost:1"))
        assert json.loads(payload) == {"host": expected}


@pytest.mark.parametrize("target", ["http://[", "cloudresourcemanager.googleapis.com:443"])
def test_invalid_request_target_is_not_a_500(target: str) -> None:
    assert answer("CONNECT", target)[0] in (400, 501)
