"""The service's WSGI application: `POST /run` streams the frames of a command. gunicorn runs one request at a time.

Only Cloud Run lets requests through: the service is closed, and the function chat may call it.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from werkzeug import Request, Response
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

from functions.sandbox.instance import Instance
from functions.sandbox.self_test import FRONT_END, find_fault
from headwater.errors import HeadwaterError, UnprocessableContent
from headwater.sandbox.frames import ALIVE, Frame, SandboxUnavailable, pack
from headwater.sandbox.runner import find_sandbox
from headwater.sandbox.service import wire

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_ROUTES = Map(
    [
        Rule("/heartbeat", endpoint="heartbeat", methods=["GET"]),
        Rule("/ready", endpoint="ready", methods=["GET"]),
        Rule("/self-test", endpoint="self_test", methods=["GET"]),
        Rule(wire.RUN_PATH, endpoint="run", methods=["POST"]),
    ]
)


class Service:
    """The application of one instance."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a request."""
        with Request(environ) as request:
            return self._respond(request)(environ, start_response)

    def _respond(self, request: Request) -> Response:
        try:
            endpoint, _ = _ROUTES.bind_to_environ(request.environ).match()
        except HTTPException as error:
            return _text(str(error.description), error.code or 500)
        response: Response = getattr(self, f"_{endpoint}")(request)
        return response

    def _heartbeat(self, _: Request) -> Response:
        return _text("alive", 200)

    def _ready(self, _: Request) -> Response:
        try:
            return _text(find_sandbox().launcher, 200)
        except SandboxUnavailable as error:
            return _text(error.message, 503)

    def _self_test(self, _: Request) -> Response:
        fault = find_fault()
        return _text(fault or "passed", 503 if fault else 200)

    def _run(self, request: Request) -> Response:
        if request.content_length is None or request.content_length > wire.MAX_BODY_BYTES:
            return _text(f"A body of up to {wire.MAX_BODY_BYTES:,} bytes is required.", 413)
        try:
            header, given = wire.decode(request.get_data(cache=False))
            if not self._instance.take(header.workspace_id):
                refusal = _text("This instance belongs to another workspace and ends. Send the request again.", 409)
                refusal.call_on_close(self._instance.end)
                return refusal
            frames = find_sandbox(FRONT_END).frames(header.command, given, header.limits)
            # The first frame is waited for, so that a refusal can still be a status.
            first = next(frames)
        except (wire.InvalidBody, UnprocessableContent) as error:
            return _text(str(error), 422)
        except HeadwaterError as error:
            return _text(error.message, 500)
        return Response(_packed(first, frames), content_type=wire.RESPONSE_TYPE)


def _packed(first: Frame, frames: Iterator[Frame]) -> Iterator[bytes]:
    """Yield frames as bytes. If the caller closes the connection, the next write fails and the command ends."""
    yield pack((ALIVE, b""))
    yield pack(first)
    for frame in frames:
        yield pack(frame)


def _text(text: str, status: int) -> Response:
    return Response(f"{text}\n", status, content_type="text/plain; charset=utf-8")


application = Service(Instance())
