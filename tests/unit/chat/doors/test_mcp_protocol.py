"""Messages of the Model Context Protocol: decoding, versions, headers."""

import msgspec
import pytest

from functions.chat.doors import mcp_protocol as protocol
from functions.chat.doors.mcp_protocol import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    PARSE_ERROR,
    SESSION_VERSIONS,
    STATELESS_VERSIONS,
    UNSUPPORTED_VERSION,
    Message,
    RpcError,
    check_version,
    read_message,
)

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
HEADERS = {"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "search"}
CALL = Message("tools/call", 1, {"name": "search", "_meta": META})


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", PARSE_ERROR),
        (b"{", PARSE_ERROR),
        (b"\xff", PARSE_ERROR),
        (b"[" * 100_000, PARSE_ERROR),
        (b"[]", INVALID_REQUEST),
        (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', INVALID_REQUEST),
        (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', INVALID_REQUEST),
        (b'{"jsonrpc":"2.0","id":1}', INVALID_REQUEST),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', INVALID_REQUEST),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', INVALID_REQUEST),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', INVALID_REQUEST),
    ],
)
def test_read_message_rejects_what_is_no_message(content: bytes, code: int) -> None:
    with pytest.raises(RpcError) as error:
        read_message(content)
    assert error.value.code == code


def test_message_without_id_is_a_notification() -> None:
    assert read_message(b'{"jsonrpc":"2.0","method":"notifications/initialized"}').is_notification
    assert not read_message(b'{"jsonrpc":"2.0","id":0,"method":"ping"}').is_notification


@pytest.mark.parametrize("version", ["", *SESSION_VERSIONS])
def test_message_without_version_in_meta_is_of_an_older_revision(version: str) -> None:
    assert check_version(Message("tools/list", 1), {"Mcp-Protocol-Version": version}) is False


def test_stateless_message_with_equal_headers_is_accepted() -> None:
    assert check_version(CALL, HEADERS) is True
    assert check_version(CALL, HEADERS | {"Mcp-Name": "=?base64?c2VhcmNo?="}) is True


@pytest.mark.parametrize(
    "changes",
    [
        {"Mcp-Method": "tools/list"},
        {"Mcp-Name": "ask"},
        {"Mcp-Name": ""},
        {"Mcp-Protocol-Version": "2025-11-25"},
        {"Mcp-Name": "=?base64?!?="},
    ],
)
def test_headers_that_contradict_the_message_are_refused(changes: dict[str, str]) -> None:
    with pytest.raises(RpcError) as error:
        check_version(CALL, HEADERS | changes)
    assert (error.value.code, protocol.status_of(error.value, stateless=True)) == (HEADER_MISMATCH, 400)


def test_stateless_message_needs_version_and_capabilities() -> None:
    for key in META:
        meta = {name: value for name, value in META.items() if name != key}
        with pytest.raises(RpcError) as error:
            check_version(msgspec.structs.replace(CALL, params={"name": "search", "_meta": meta}), HEADERS)
        assert error.value.code == INVALID_PARAMS


def test_unknown_versions_are_refused_with_the_known_ones() -> None:
    meta = META | {"io.modelcontextprotocol/protocolVersion": "2030-01-01"}
    future = msgspec.structs.replace(CALL, params={"name": "search", "_meta": meta})
    for message, headers in (
        (future, HEADERS | {"Mcp-Protocol-Version": "2030-01-01"}),
        (Message("tools/list", 1), {"Mcp-Protocol-Version": "2030-01-01"}),
    ):
        with pytest.raises(RpcError) as error:
            check_version(message, headers)
        assert error.value.code == UNSUPPORTED_VERSION
        assert error.value.data == {"supported": [*STATELESS_VERSIONS, *SESSION_VERSIONS], "requested": "2030-01-01"}


@pytest.mark.parametrize(("asked", "agreed"), [("2025-03-26", "2025-03-26"), ("1999-01-01", SESSION_VERSIONS[0])])
def test_initialize_agrees_on_a_version_with_sessions(asked: str, agreed: str) -> None:
    message = Message("initialize", 1, {"protocolVersion": asked})
    assert protocol.initialize(message, {"name": "x"}, "Ask.")["protocolVersion"] == agreed
