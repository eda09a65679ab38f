"""The body of a request to the service `sandbox`: a JSON header, and the files' contents one after the other."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated
from uuid import UUID

import msgspec

from headwater.sandbox import files
from headwater.sandbox.limits import Limits

MAX_BODY_BYTES = 31 * 1024**2
"""Cloud Run takes bodies of up to 32 MiB."""

RUN_PATH = "/run"
RESPONSE_TYPE = "application/vnd.headwater.frames"

MOST = Limits(
    seconds=300,
    memory_bytes=1024**3,
    processes=256,
    disk_bytes=256 * 1024**2,
    disk_files=20_000,
    output_bytes=2_000_000,
)
"""The largest limits that the service accepts."""

_LENGTH = struct.Struct(">I")


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to run for which workspace, and the files that follow: paths and sizes."""

    workspace_id: UUID
    command: Annotated[list[str], msgspec.Meta(min_length=1, max_length=64)]
    limits: Limits
    files: list[tuple[str, Annotated[int, msgspec.Meta(ge=0)]]]


class InvalidBody(Exception):
    """The body is malformed, or asks for more than allowed. The message says why."""


def body_size(header: bytes, given: Mapping[str, bytes]) -> int:
    """Return the size of a body."""
    return _LENGTH.size + len(header) + sum(map(len, given.values()))


def encode_header(workspace_id: UUID, command: Sequence[str], given: Mapping[str, bytes], limits: Limits) -> bytes:
    """Return the header of a body."""
    sizes = [(path, len(content)) for path, content in given.items()]
    return msgspec.json.encode(Header(workspace_id, list(command), limits, sizes))


def pieces(header: bytes, given: Mapping[str, bytes]) -> Iterator[bytes]:
    """Yield a body in pieces."""
    yield _LENGTH.pack(len(header)) + header
    yield from given.values()


def decode(body: bytes) -> tuple[Header, dict[str, bytes]]:
    """Return the header and the files of a body. Raises InvalidBody."""
    if len(body) < _LENGTH.size:
        raise InvalidBody("The body is too short.")
    at = _LENGTH.size + _LENGTH.unpack_from(body)[0]
    try:
        header = msgspec.json.decode(body[_LENGTH.size : at], type=Header)
        files.check_paths([path for path, _ in header.files])
    except ValueError as error:
        raise InvalidBody(f"Invalid header: {error}.") from error
    if exceeded := [name for name, most in msgspec.structs.asdict(MOST).items() if getattr(header.limits, name) > most]:
        raise InvalidBody(f"Limits above those of the service: {', '.join(exceeded)}.")
    if at + sum(size for _, size in header.files) != len(body):
        raise InvalidBody("The sizes of the files don't add up to the body's.")
    given: dict[str, bytes] = {}
    for path, size in header.files:
        given[path] = body[at : at + size]
        at += size
    return header, given
