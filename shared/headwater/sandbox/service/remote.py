"""Run commands in the service `sandbox` on Cloud Run, over HTTP with an ID token.

An instance of the service serves one workspace: it refuses another one and ends. The request is then sent again, and
reaches another instance.
"""

import json
import random
import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any
from uuid import UUID

from headwater.errors import UnprocessableContent
from headwater.redaction import quote
from headwater.sandbox import files, supervisor
from headwater.sandbox.frames import ALIVE, Frame, FrameBuffer, SandboxFailed, SandboxUnavailable, collect
from headwater.sandbox.limits import Limits, Outcome
from headwater.sandbox.service import wire

_KINDS = {
    ALIVE,
    supervisor.OUTPUT,
    supervisor.FILE,
    supervisor.SKIPPED,
    supervisor.REFUSED,
    supervisor.END,
}
_CONNECT_S = 10.0
_SILENCE_S = 60.0
"""Longest wait for the next frame, with the start of an instance. A running command sends two a second."""
_PATIENCE_S = 90.0
"""How long a request is sent again while all instances are busy or belong to other workspaces."""
_OVERHEAD_BYTES = 4 * 1024**2
"""What frames may have besides output and files: their headers, paths, reasons."""
_HEADER_BYTES = 1024**2
"""What is left of a body for its header: paths and sizes."""
_AGAIN = (409, 429, 503)
_REFUSED = (401, 403, 404)


class RemoteSandbox:
    """Runs the commands of one workspace in the service.

    `session` sends requests, as `requests.Session` does, with the token that the service expects.
    """

    max_given_bytes = wire.MAX_BODY_BYTES - _HEADER_BYTES

    def __init__(self, url: str, workspace_id: UUID, session: Any) -> None:
        self._url = url.rstrip("/") + wire.RUN_PATH
        self._workspace_id = workspace_id
        self._session = session

    def run(
        self,
        command: Sequence[str],
        given: Mapping[str, bytes],
        limits: Limits,
        *,
        on_output: Callable[[bytes], object] = len,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> Outcome:
        """Run a command, as `CommandRunner` says. The service takes at most 31 MiB of files."""
        try:
            files.check_paths(list(given))
        except ValueError as error:
            raise UnprocessableContent(f"The files can't be written: {error}.") from error
        header = wire.encode_header(self._workspace_id, command, given, limits)
        if (size := wire.body_size(header, given)) > wire.MAX_BODY_BYTES:
            raise UnprocessableContent(
                f"The files have {size / 2**20:,.0f} MiB together. The sandbox takes up to "
                f"{wire.MAX_BODY_BYTES / 2**20:,.0f} MiB: delete some."
            )
        try:
            outcome = collect(self._frames(header, given, limits, is_stopped), on_output)
            files.check_paths(list(outcome.files))
        except (ValueError, TypeError, struct.error) as error:
            raise SandboxFailed("The sandbox returned something else than an outcome. Try again.") from error
        return outcome

    def _frames(
        self, header: bytes, given: Mapping[str, bytes], limits: Limits, is_stopped: Callable[[], bool]
    ) -> Iterator[Frame]:
        """Send the request and yield the frames of the response. Closing the response ends the command."""
        from google.auth.exceptions import GoogleAuthError
        from requests import RequestException

        try:
            with self._respond(header, given, is_stopped) as response:
                received, left = FrameBuffer(), limits.disk_bytes + limits.output_bytes + _OVERHEAD_BYTES
                for chunk in response.iter_content(None):
                    left -= len(chunk)
                    if left < 0:
                        raise SandboxFailed("The sandbox returned more than its limits allow. Try again.")
                    received.add(chunk)
                    for frame in received.take():
                        if frame[0] not in _KINDS:
                            raise ValueError(f"unknown frame {frame[0]!r}")
                        yield frame
                    if is_stopped():
                        yield supervisor.END, json.dumps({"reason": "stopped", "code": 0, "seconds": 0.0}).encode()
        except (RequestException, GoogleAuthError) as error:
            raise SandboxFailed(f"The connection to the sandbox failed ({type(error).__name__}). Try again.") from error

    def _respond(self, header: bytes, given: Mapping[str, bytes], is_stopped: Callable[[], bool]) -> Any:
        """Return the response once an instance takes the request. A command that none has taken has no effects."""
        until = time.monotonic() + _PATIENCE_S
        body = b"".join(wire.pieces(header, given))
        wait_s = 0.1
        while (response := self._post(body)) is None:
            if time.monotonic() > until or is_stopped():
                raise SandboxFailed("All instances of the sandbox are busy. Try again in a minute.")
            time.sleep(random.uniform(0, wait_s))  # noqa: S311 - spreads requests
            wait_s = min(2 * wait_s, 5.0)
        return response

    def _post(self, body: bytes) -> Any:
        """Send the request. Returns the response of an instance that has taken it, else None."""
        from requests import ConnectionError as NotConnected

        try:
            response = self._session.post(
                self._url,
                data=body,
                headers={"Content-Type": "application/octet-stream"},
                stream=True,
                timeout=(_CONNECT_S, _SILENCE_S),
                allow_redirects=False,
            )
        except NotConnected:
            return None
        if response.status_code == 200 and response.headers.get("Content-Type") == wire.RESPONSE_TYPE:
            return response
        with response:
            problem = quote(response.raw.read(1000, decode_content=True).decode(errors="replace").strip())
        if response.status_code in _AGAIN:
            return None
        if response.status_code in _REFUSED:
            raise SandboxUnavailable(
                f"The service `sandbox` refuses this function ({response.status_code}). Deploy it again, and check "
                "SANDBOX_URL."
            )
        if response.status_code in (413, 422):
            raise UnprocessableContent(f"The sandbox can't run this: {problem}")
        raise SandboxFailed(f"The sandbox failed with status {response.status_code}. Try again.")


@cache
def id_token_session(url: str) -> Any:
    """Return a session that sends an ID token of this function's account, whose audience is the service's URL."""
    from google.auth.transport.requests import AuthorizedSession, Request
    from google.oauth2.id_token import fetch_id_token_credentials

    credentials = fetch_id_token_credentials(url, request=Request())  # type: ignore[no-untyped-call]
    return AuthorizedSession(credentials)  # type: ignore[no-untyped-call]
