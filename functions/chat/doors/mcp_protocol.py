"""The Model Context Protocol over HTTP: read one message, check it, build the response. Pure.

Serves the revision 2026-07-28, in which each request carries its protocol version and no session exists, and older ones
that begin with `initialize`. Without sessions, both are the same here but for a few fields.

https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import msgspec

STATELESS_VERSIONS = ("2026-07-28",)
SESSION_VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
"""Revisions with `initialize`, newest first."""

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR = -32700, -32600, -32601, -32602, -32603
HEADER_MISMATCH, UNSUPPORTED_VERSION = -32020, -32022

LIST_TTL_MS = 300_000
"""How long a client may keep the list of tools."""

_NO_MESSAGE = "The body must be one JSON-RPC 2.0 request or notification."
_VERSION = "io.modelcontextprotocol/protocolVersion"
_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
_SERVER_INFO = "io.modelcontextprotocol/serverInfo"
_CACHEABLE = ("server/discover", "tools/list")
_STATUS = dict.fromkeys((PARSE_ERROR, INVALID_REQUEST, INVALID_PARAMS, HEADER_MISMATCH, UNSUPPORTED_VERSION), 400)
_STATELESS_STATUS = {**_STATUS, METHOD_NOT_FOUND: 404}


class RpcError(Exception):
    """An error of the protocol; an error of a tool is a result instead. `data` is part of the response."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


class Message(msgspec.Struct, frozen=True):
    """A request, or a notification if it has no id."""

    method: str
    id: int | str | msgspec.UnsetType = msgspec.UNSET
    params: dict[str, Any] = {}

    @property
    def is_notification(self) -> bool:
        """Whether the sender expects no response."""
        return self.id is msgspec.UNSET

    @property
    def meta(self) -> Mapping[str, Any]:
        """The message's `_meta`, empty if there is none."""
        meta = self.params.get("_meta")
        return meta if isinstance(meta, dict) else {}

    @property
    def progress_token(self) -> int | str | None:
        """The token under which the client wants to be told of progress."""
        token = self.meta.get("progressToken")
        return token if isinstance(token, int | str) and not isinstance(token, bool) else None


def read_message(content: bytes) -> Message:
    """Decode one message. Raises RpcError for anything else, such as a batch, which newer revisions don't have."""
    try:
        raw = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RpcError(PARSE_ERROR, "The body is not valid JSON.") from None
    if not isinstance(raw, dict) or raw.get("jsonrpc") != "2.0":
        raise RpcError(INVALID_REQUEST, _NO_MESSAGE)
    try:
        return msgspec.convert(raw, Message)
    except msgspec.ValidationError as error:
        raise RpcError(INVALID_REQUEST, f"{_NO_MESSAGE} {error}.") from None


def check_version(message: Message, headers: Mapping[str, str]) -> bool:
    """Return whether the message is of a stateless revision.

    Raises RpcError if its version is not supported, or if the headers contradict the message: a proxy may have routed
    the request by its headers.
    """
    header = headers.get("Mcp-Protocol-Version", "")
    if _VERSION not in message.meta and header not in STATELESS_VERSIONS:
        if header and header not in SESSION_VERSIONS:
            raise _unsupported(header)
        return False
    if message.is_notification:
        return True
    version = message.meta.get(_VERSION)
    if not isinstance(version, str) or not isinstance(message.meta.get(_CAPABILITIES), dict):
        raise RpcError(INVALID_PARAMS, f"`params._meta` must have `{_VERSION}` (text) and `{_CAPABILITIES}` (object).")
    name = message.params.get("name") if message.method == "tools/call" else None
    for key, expected in (("Mcp-Protocol-Version", version), ("Mcp-Method", message.method), ("Mcp-Name", name)):
        if expected is not None and _decode_header(headers.get(key, "")) != expected:
            raise RpcError(HEADER_MISMATCH, f"The header {key} must be the same as in the body.")
    if version not in STATELESS_VERSIONS:
        raise _unsupported(version)
    return True


def initialize(message: Message, server: Mapping[str, Any], instructions: str) -> dict[str, Any]:
    """Return the result of `initialize`: the client's revision if it is known, else the newest one with sessions."""
    asked = message.params.get("protocolVersion")
    version = asked if asked in SESSION_VERSIONS else SESSION_VERSIONS[0]
    return {
        "protocolVersion": version,
        "capabilities": {"tools": {}},
        "serverInfo": server,
        "instructions": instructions,
    }


def discover(instructions: str) -> dict[str, Any]:
    """Return the result of `server/discover`."""
    return {
        "supportedVersions": [*STATELESS_VERSIONS, *SESSION_VERSIONS],
        "capabilities": {"tools": {}},
        "instructions": instructions,
    }


def result_response(
    message: Message, result: Mapping[str, Any], server: Mapping[str, Any], *, stateless: bool
) -> dict[str, Any]:
    """Return the response with a result, which has a few more fields in a stateless revision."""
    added: dict[str, Any] = {"resultType": "complete", "_meta": {_SERVER_INFO: server}} if stateless else {}
    if stateless and message.method in _CACHEABLE:
        added |= {"ttlMs": LIST_TTL_MS, "cacheScope": "private"}
    return {"jsonrpc": "2.0", "id": message.id, "result": {**result, **added}}


def error_response(error: RpcError, message: Message | None) -> dict[str, Any]:
    """Return the response with an error to a message, None if it could not be read."""
    body = {"code": error.code, "message": error.message}
    return {
        "jsonrpc": "2.0",
        "id": None if message is None or message.is_notification else message.id,
        "error": body if error.data is None else {**body, "data": error.data},
    }


def status_of(error: RpcError, *, stateless: bool) -> int:
    """Return the HTTP status of an error's response. Older clients take an unknown method as 200."""
    return (_STATELESS_STATUS if stateless else _STATUS).get(error.code, 200)


def progress(token: int | str, count: int, message: str) -> dict[str, Any]:
    """Return the notification of a request's progress; `count` rises with each."""
    params = {"progressToken": token, "progress": count, "message": message}
    return {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}


def _unsupported(version: str) -> RpcError:
    supported = [*STATELESS_VERSIONS, *SESSION_VERSIONS]
    data = {"supported": supported, "requested": version}
    return RpcError(UNSUPPORTED_VERSION, "Unsupported protocol version", data)


def _decode_header(value: str) -> str | None:
    """Return a header's text, which clients encode as `=?base64?…?=` if it isn't printable ASCII."""
    if not (value.startswith("=?base64?") and value.endswith("?=")):
        return value
    try:
        return base64.b64decode(value[9:-2], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
