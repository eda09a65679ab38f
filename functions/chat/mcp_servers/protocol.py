"""Messages of the Model Context Protocol over streamable HTTP, as a client reads them. Pure.

https://modelcontextprotocol.io/specification/2025-06-18/basic/transports
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import msgspec

from headwater.errors import PermanentError
from headwater.redaction import quote
from headwater.tools import ToolDescription

VERSIONS = ("2025-06-18", "2025-03-26", "2025-11-25")
"""Versions that this client speaks; the first is asked for."""

HANDSHAKE = {
    "protocolVersion": VERSIONS[0],
    "capabilities": {},
    "clientInfo": {"name": "headwater", "version": "1"},
}
"""Parameters of `initialize`."""

MAX_TOOLS = 100
MAX_DESCRIPTION_CHARS = 2_000
MAX_SCHEMA_BYTES = 20_000
MAX_NAME_CHARS = 64
"""Of a tool's name with the server's before it: providers accept no longer ones."""

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_CONTROL = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class ServerTools(msgspec.Struct, frozen=True):
    """The tools of a server that can be used, and the names of the others with the reason."""

    tools: list[ToolDescription]
    left_out: list[str]


def request(id_: int, method: str, params: Mapping[str, Any]) -> bytes:
    """Encode a request."""
    return msgspec.json.encode({"jsonrpc": "2.0", "id": id_, "method": method, "params": params})


def notification(method: str) -> bytes:
    """Encode a notification."""
    return msgspec.json.encode({"jsonrpc": "2.0", "method": method})


def read_result(message: object, id_: int) -> dict[str, Any] | None:
    """Return the result in a message; None if it is not the response to the request `id_`.

    Raises PermanentError for an error of the server.
    """
    if not isinstance(message, dict) or message.get("id") != id_ or "method" in message:
        return None
    if isinstance(error := message.get("error"), dict):
        raise PermanentError(f"The server refused the request: {quote(error.get('message', ''), 500)}")
    result = message.get("result")
    return result if isinstance(result, dict) else {}


def read_events(lines: Iterable[bytes]) -> Iterator[object]:
    """Yield the messages of server-sent events. Events that are no JSON are skipped."""
    data: list[bytes] = []
    for line in lines:
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif not line and data:
            with suppress(msgspec.DecodeError, RecursionError):
                yield msgspec.json.decode(b"\n".join(data))
            data = []


def read_tools(listed: Iterable[object], server: str) -> ServerTools:
    """Return the tools of a listing, named `SERVER__TOOL`, in the order of their names."""
    tools: dict[str, ToolDescription] = {}
    left_out = []
    for tool in listed:
        name = str(tool.get("name", "")) if isinstance(tool, dict) else ""
        if not isinstance(tool, dict) or (problem := _problem(tool, name, server)):
            left_out.append(f"{quote(name, 100)}: {problem if isinstance(tool, dict) else 'it is no tool'}")
        elif len(tools) == MAX_TOOLS:
            left_out.append(f"{quote(name, 100)}: {MAX_TOOLS} tools are read")
        else:
            description = _CONTROL.sub("", str(tool.get("description") or tool.get("title") or ""))
            schema = tool.get("inputSchema") or {"type": "object"}
            full = f"{server}__{name}"
            tools[full] = ToolDescription(full, description[:MAX_DESCRIPTION_CHARS], schema)
    return ServerTools([tools[name] for name in sorted(tools)], left_out[:MAX_TOOLS])


def _problem(tool: Mapping[str, Any], name: str, server: str) -> str:
    schema = tool.get("inputSchema") or {}
    if not _NAME.fullmatch(name):
        return "the name has other characters than letters, digits, _ and -"
    if len(f"{server}__{name}") > MAX_NAME_CHARS:
        return f"the name is longer than {MAX_NAME_CHARS - len(server) - 2} characters"
    if not isinstance(schema, dict) or len(msgspec.json.encode(schema)) > MAX_SCHEMA_BYTES:
        return f"the schema is no object, or longer than {MAX_SCHEMA_BYTES:,} bytes"
    return ""


def read_content(result: Mapping[str, Any]) -> tuple[str, bool]:
    """Return the text of a tool's result, and whether it is an error. Other contents than text are named."""
    content = result.get("content")
    parts = [_part(part) for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    text = "\n\n".join(filter(None, parts))
    if not text and "structuredContent" in result:
        text = msgspec.json.encode(result["structuredContent"]).decode()
    return text or "(The tool returned nothing.)", result.get("isError") is True


def _part(part: Mapping[str, Any]) -> str:
    if part.get("type") == "text":
        return str(part.get("text") or "")
    resource = part.get("resource")
    if isinstance(resource, dict) and isinstance(resource.get("text"), str):
        return str(resource["text"])
    return f"[{quote(part.get('type', 'content'), 50)} left out]"
