"""Call an MCP server over streamable HTTP by the guarded client, within limits of time and size.

A call is a session of its own: the handshake, the request, the end. Redirects are not followed, so that the token goes
to no other address.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import msgspec
import urllib3.exceptions as http
from urllib3 import BaseHTTPResponse

from functions.chat.mcp_servers import protocol
from functions.chat.mcp_servers.oauth.metadata import Challenge, read_challenge
from headwater.errors import HeadwaterError, PermanentError, UpstreamError
from headwater.outbound.deadline import DeadlineExceeded, within
from headwater.outbound.guarded_http import GuardedHttp
from headwater.outbound.http_errors import translate_http_error
from headwater.redaction import Redactor, quote, redacting

CALL_S = 60.0
LIST_S = 20.0
MAX_BYTES = 2_000_000
"""Of all responses of a call together."""

MAX_PAGES = 20
"""Pages of a listing of tools."""

_CHUNK_BYTES = 65_536


class TokenRefused(PermanentError):
    """The server wants another token, or one with more scopes."""

    def __init__(self, message: str, challenge: Challenge, http_status: int) -> None:
        super().__init__(message)
        self.challenge = challenge
        self.http_status = http_status


class McpClient:
    """A server at `url`. `token` is sent as a bearer token, "" for none. A call takes `call_s` at most."""

    def __init__(self, guarded: GuardedHttp, url: str, token: str, call_s: float = CALL_S) -> None:
        self._http = guarded
        self._url = url
        self._token = token
        self._call_s = call_s
        self._redactor = Redactor([token] if token else [])

    def list_tools(self, server: str) -> protocol.ServerTools:
        """Return the tools of the server, whose name is `server`.

        Raises UpstreamError if it can't be reached or is too slow, PermanentError if it refuses or isn't an MCP server.
        """
        with self._session(LIST_S) as session:
            listed: list[object] = []
            cursor: str | None = None
            for _ in range(MAX_PAGES):
                result = session.request("tools/list", {"cursor": cursor} if cursor else {})
                tools = result.get("tools")
                listed += tools if isinstance(tools, list) else []
                cursor = result.get("nextCursor")
                if not isinstance(cursor, str) or not cursor:
                    break
            return protocol.read_tools(listed, server)

    def call(self, tool: str, arguments: Mapping[str, Any]) -> str:
        """Call a tool and return its result, without the token. Raises PermanentError for an error of the tool, too."""
        with self._session(self._call_s) as session:
            text, is_error = protocol.read_content(
                session.request("tools/call", {"name": tool, "arguments": dict(arguments)})
            )
        shown = self._redactor(text)
        if is_error:
            raise PermanentError(shown)
        return shown

    @contextmanager
    def _session(self, timeout_s: float) -> "Iterator[_Session]":
        with redacting(self._redactor), within(timeout_s):
            session = _Session(self._http, self._url, self._token)
            session.begin()
            yield session
            session.end()


class _Session:
    """A session with a server, for one call."""

    def __init__(self, guarded: GuardedHttp, url: str, token: str) -> None:
        self._http = guarded
        self._url = url
        self._headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._bytes = 0
        self._ids = 0

    def begin(self) -> None:
        """Agree on a version of the protocol."""
        version = self.request("initialize", protocol.HANDSHAKE).get("protocolVersion")
        if version not in protocol.VERSIONS:
            raise PermanentError(f"The server speaks version {quote(version, 50)} of the protocol, which is unknown.")
        self._headers["MCP-Protocol-Version"] = str(version)
        self._exchange("POST", protocol.notification("notifications/initialized"), 0)

    def end(self) -> None:
        """Tell the server that the session is over, if it has one."""
        with suppress(HeadwaterError):
            if "Mcp-Session-Id" in self._headers:
                self._exchange("DELETE", b"", 0)

    def request(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request and return its result."""
        self._ids += 1
        result = self._exchange("POST", protocol.request(self._ids, method, params), self._ids)
        if result is None:
            raise PermanentError(f"{quote(self._url)} did not answer like an MCP server. Check the address.")
        return result

    def _exchange(self, method: str, body: bytes, id_: int) -> dict[str, Any] | None:
        """Send a message; return the result of the request `id_`, None without one. 0: nothing is read."""
        try:
            response = self._http.request(
                method,
                self._url,
                body=body or None,
                headers={**self._http.headers, **self._headers},
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            try:
                return self._read(response, id_)
            finally:
                response.close()
        except (http.HTTPError, DeadlineExceeded) as error:
            raise translate_http_error(error, self._url, quote(self._url)) from None
        except (ValueError, UnicodeError) as error:
            raise PermanentError(f"{quote(self._url)} is not a valid address ({quote(error)}).") from None

    def _read(self, response: BaseHTTPResponse, id_: int) -> dict[str, Any] | None:
        status = response.status
        if session := response.headers.get("Mcp-Session-Id"):
            self._headers["Mcp-Session-Id"] = session
        if not id_:
            return None
        if status in (401, 403):
            challenge = read_challenge(response.headers.get("WWW-Authenticate", ""))
            message = f"{quote(self._url)} refused the token (HTTP {status}). Enter another one."
            raise TokenRefused(message, challenge, status)
        if status == 429 or status >= 500:
            raise UpstreamError(f"{quote(self._url)} answered with HTTP {status}. Try again later.")
        if status != 200:
            raise PermanentError(f"{quote(self._url)} answered with HTTP {status}. Check the address.")
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind == "text/event-stream":
            messages = protocol.read_events(self._lines(response))
            results = (protocol.read_result(message, id_) for message in messages)
            return next((result for result in results if result is not None), None)
        try:
            message = msgspec.json.decode(b"".join(self._pieces(response)))
        except (msgspec.DecodeError, RecursionError):
            return None
        return protocol.read_result(message, id_)

    def _pieces(self, response: BaseHTTPResponse) -> Iterator[bytes]:
        while piece := response.read1(_CHUNK_BYTES):
            self._bytes += len(piece)
            if self._bytes > MAX_BYTES:
                raise PermanentError(f"The server's answer has more than {MAX_BYTES:,} bytes. Ask for less.")
            yield piece

    def _lines(self, response: BaseHTTPResponse) -> Iterator[bytes]:
        begun: list[bytes] = []
        for piece in self._pieces(response):
            first, *others = piece.split(b"\n")
            begun.append(first)
            for other in others:
                yield b"".join(begun).removesuffix(b"\r")
                begun = [other]
        yield from (b"".join(begun).removesuffix(b"\r"), b"")
