"""Read the content of files in Git LFS: ask the server's batch API where it is, download it, and check its SHA-256.

https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md. The token is sent to the repository's own host only. For
repositories on SSH, the server names the API and what authorizes requests (docs/api/server-discovery.md). All addresses
that come from servers pass the guarded client like any other.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import urlsplit

import msgspec

from functions.collection.connectors.git.repository import too_large
from headwater.errors import PermanentError, SystemicError, UpstreamError
from headwater.outbound.addresses import AddressRefused
from headwater.outbound.deadline import DeadlineExceeded, within
from headwater.outbound.http_errors import translate_http_error
from headwater.redaction import quote
from headwater.retry_after import read_pause

if TYPE_CHECKING:
    import urllib3

MAX_POINTER_BYTES = 1_024
MAX_ANSWER_BYTES = 4_000_000
MAX_ACCESS_BYTES = 64_000
MAX_HEADERS = 20
BATCH_S, DOWNLOAD_S = 30.0, 120.0
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:ext-[^\n]{1,200}\n){0,10}"
    rb"oid sha256:([0-9a-f]{64})\nsize ([0-9]{1,15})\n?"
)
_NO_ADDRESS = "is in Git LFS, and the server names no web address of its content"
_AUTHENTICATE = "git-lfs-authenticate"
_TYPE = "application/vnd.git-lfs+json"
_CHUNK = 65_536


class Pointer(NamedTuple):
    """What a file in Git LFS has in the repository: the SHA-256 and size of its content."""

    oid: str
    size: int


class LfsError(PermanentError):
    """The content can't be read; the message completes "a.pdf …"."""


class _Action(msgspec.Struct, frozen=True):
    href: str
    header: dict[str, str] = {}


class _Problem(msgspec.Struct, frozen=True):
    code: int = 0
    message: str = ""


class _Object(msgspec.Struct, frozen=True):
    oid: str = ""
    actions: dict[str, _Action] = {}
    error: _Problem | None = None


class _Batch(msgspec.Struct, frozen=True):
    objects: list[_Object] = []


def read_pointer(content: bytes) -> Pointer | None:
    """Return what a pointer file names; None for any other content.

    >>> read_pointer(b"version https://git-lfs.github.com/spec/v1\\noid sha256:" + b"0" * 64 + b"\\nsize 12\\n").size
    12
    """
    found = _POINTER.fullmatch(content) if len(content) <= MAX_POINTER_BYTES else None
    return Pointer(found[1].decode(), int(found[2])) if found else None


class LfsAccess(msgspec.Struct, frozen=True):
    """Where the API of an LFS server is, and the headers that authorize requests to its host."""

    href: str
    header: dict[str, str] = {}


class RunsCommands(Protocol):
    """A connection by SSH (`ssh.GitSsh`)."""

    def run(self, command: str, max_bytes: int) -> bytes:
        """Run a command for a download from the repository. Returns what it prints."""


def access_by_url(url: str, authorization: Mapping[str, str]) -> LfsAccess:
    """Return the usual API of a repository with a web address.

    >>> access_by_url("https://example.com/acme/handbook", {}).href
    'https://example.com/acme/handbook.git/info/lfs'
    """
    base = url.rstrip("/")
    return LfsAccess(f"{base if base.endswith('.git') else f'{base}.git'}/info/lfs", dict(authorization))


def access_by_ssh(client: RunsCommands) -> LfsAccess:
    """Ask a server by SSH where its API is; raises LfsError with the reason, or UpstreamError."""
    try:
        found = msgspec.json.decode(client.run(_AUTHENTICATE, MAX_ACCESS_BYTES), type=LfsAccess)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LfsError(f"is in Git LFS, and the answer of {_AUTHENTICATE} can't be read") from error
    except SystemicError:
        raise
    except PermanentError as error:
        raise LfsError(f"is in Git LFS, and {error.message}; enter the repository's https address") from error
    if len(found.header) > MAX_HEADERS or not is_web_address(found.href):
        raise LfsError(_NO_ADDRESS)
    return found


def is_web_address(text: str) -> bool:
    """Whether a text is an address with http or https."""
    try:
        return urlsplit(text).scheme in ("http", "https")
    except ValueError:
        return False


class LfsServer:
    """The LFS server of one repository. `http` is a guarded client."""

    def __init__(self, access: LfsAccess, *, http: "urllib3.PoolManager", max_file_bytes: int) -> None:
        self._url = f"{access.href.rstrip('/')}/objects/batch"
        self._host = quote(urlsplit(access.href).netloc, 100)
        self._http = http
        self._authorization = access.header
        self._max_file_bytes = max_file_bytes

    def read(self, pointer: Pointer) -> bytes:
        """Return a content; raises LfsError with the reason, or UpstreamError."""
        if pointer.size > self._max_file_bytes:
            raise LfsError(too_large(pointer.size, self._max_file_bytes))
        action = self._find(pointer)
        if not is_web_address(action.href) or len(action.header) > MAX_HEADERS:
            raise LfsError(_NO_ADDRESS)
        parts = urlsplit(action.href)
        own = self._authorization if (parts.scheme, parts.netloc) == self._origin else {}
        # What the server wants sent to the content's address counts more than the token.
        headers = {**({} if any(name.lower() == "authorization" for name in action.header) else own), **action.header}
        content = self._request("GET", action.href, headers, max_bytes=pointer.size, limit_s=DOWNLOAD_S)
        _check(content, pointer)
        return content

    @property
    def _origin(self) -> tuple[str, str]:
        parts = urlsplit(self._url)
        return parts.scheme, parts.netloc

    def _find(self, pointer: Pointer) -> _Action:
        wanted = {
            "operation": "download",
            "transfers": ["basic"],
            "objects": [pointer._asdict()],
            "hash_algo": "sha256",
        }
        headers = {**self._authorization, "Accept": _TYPE, "Content-Type": _TYPE}
        body = msgspec.json.encode(wanted)
        content = self._request("POST", self._url, headers, body, max_bytes=MAX_ANSWER_BYTES, limit_s=BATCH_S)
        try:
            batch = msgspec.json.decode(content, type=_Batch)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise LfsError(f"is in Git LFS, whose server at {self._host} sent no valid answer") from error
        found = next((each for each in batch.objects if each.oid == pointer.oid), None)
        if found and found.error:
            message = quote(found.error.message, 200)
            raise LfsError(f"is in Git LFS, whose server doesn't have its content ({found.error.code} {message})")
        if found is None or "download" not in found.actions:
            raise LfsError("is in Git LFS, whose server doesn't offer its content")
        return found.actions["download"]

    def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        max_bytes: int,
        limit_s: float,
    ) -> bytes:
        """Send a request and return the answer's body; redirects are not followed."""
        import urllib3.exceptions as http

        host = quote(urlsplit(url).netloc, 100)
        try:
            with within(limit_s):
                response = self._http.request(
                    method, url, body=body, headers=dict(headers), redirect=False, preload_content=False
                )
                try:
                    return _read(response, host, max_bytes)
                finally:
                    response.close()
        except (http.HTTPError, DeadlineExceeded) as error:
            problem = translate_http_error(error, quote(url, 200), host)
            if isinstance(problem, UpstreamError):
                raise problem from None
            raise LfsError(f"is in Git LFS: {problem.message}") from None
        except AddressRefused as error:
            raise LfsError(f"is in Git LFS: {error.message}") from None
        except (ValueError, UnicodeError) as error:
            raise LfsError(_NO_ADDRESS) from error


def read_local(path: str, pointer: Pointer, max_bytes: int) -> bytes:
    """Return a content from a repository on disk, bare or not; raises LfsError with the reason."""
    if pointer.size > max_bytes:
        raise LfsError(too_large(pointer.size, max_bytes))
    name = Path("lfs", "objects", pointer.oid[:2], pointer.oid[2:4], pointer.oid)
    for folder in (Path(path), Path(path, ".git")):
        try:
            with (folder / name).open("rb") as file:
                content = file.read(pointer.size + 1)
        except OSError:
            continue
        _check(content, pointer)
        return content
    raise LfsError("is in Git LFS, and its content is not in the repository on disk; run `git lfs fetch` there")


def _check(content: bytes, pointer: Pointer) -> None:
    if len(content) != pointer.size or hashlib.sha256(content).hexdigest() != pointer.oid:
        raise LfsError("is in Git LFS, and its content is not the one that the repository names (SHA-256)")


def _read(response: "urllib3.BaseHTTPResponse", host: str, max_bytes: int) -> bytes:
    status = response.status
    if status == 429 or status >= 500:
        raise UpstreamError(f"{host} answered with HTTP {status}. Try again later.", read_pause(response.headers))
    if status in (401, 403, 404):
        raise LfsError(
            f"is in Git LFS, and {host} doesn't give its content (HTTP {status}); check the token's permissions"
        )
    if status != 200:
        raise LfsError(f"is in Git LFS, and {host} answered with HTTP {status}")
    content = bytearray()
    while piece := response.read(_CHUNK, decode_content=False):
        content += piece
        if len(content) > max_bytes:
            raise LfsError(f"is in Git LFS, and {host} sent more than its {max_bytes:,} bytes")
    return bytes(content)
