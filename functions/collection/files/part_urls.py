"""URLs to which the parts of an upload are sent: the bucket's where the blob store is one, else this API's.

Google Cloud Storage gets a resumable session for each part, which accepts exactly the part's size and needs no
signature: https://cloud.google.com/storage/docs/performing-resumable-uploads#initiate-session. S3 and compatible
services get signed URLs, which don't limit the size; a part of another size doesn't count.
"""

import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlsplit

from functions.collection.files.parts import PART_BYTES, Part, UploadRow, part_name
from headwater.errors import UpstreamError
from headwater.outbound.deadline import within

if TYPE_CHECKING:
    from headwater.blobs import Blobs

MAX_URLS = 20
"""Parts that are listed at once: each costs a request to Google."""

URL_S = 3600
_SESSION_S = 15.0
_GOOGLE = "https://storage.googleapis.com"
_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"


class Session(Protocol):
    """An HTTP client with Google's credentials."""

    def post(self, url: str, *, json: object, headers: dict[str, str], timeout: float) -> Any:
        """Send a request."""


def missing_parts(
    blob_url: str,
    blobs: "Blobs",
    prefix: str,
    upload: UploadRow,
    received: Iterable[int],
    *,
    origin: str = "",
    google: Callable[[], Session] | None = None,
) -> list[Part]:
    """Return the next parts to send, with the URL of each. `origin` is that of the web page that sends them."""
    have = set(received)
    numbers = [n for n in range(1, upload.parts + 1) if n not in have][:MAX_URLS]
    parts = urlsplit(blob_url)

    def url_of(number: int) -> str:
        key = f"{prefix}/{part_name(number)}"
        match parts.scheme:
            case "gs":
                name = f"{parts.path.strip('/')}/{key}".lstrip("/")
                session = (google or google_session)()
                return _open_session(session, parts.netloc, name, upload.part_bytes(number), origin)
            case "s3":
                return blobs.signed_put(key, URL_S)
        return _path_of(upload.id, number)

    with ThreadPoolExecutor(8) as threads:
        urls = list(threads.map(url_of, numbers))
    return [
        Part(number, (number - 1) * PART_BYTES, upload.part_bytes(number), url)
        for number, url in zip(numbers, urls, strict=True)
    ]


def _path_of(upload_id: uuid.UUID, number: int) -> str:
    return f"/api/uploads/{upload_id}/parts/{number}"


def _open_session(session: Session, bucket: str, name: str, size: int, origin: str) -> str:
    """Open a session for an object of exactly `size` bytes; raises UpstreamError."""
    from requests import RequestException

    headers = {"X-Upload-Content-Length": str(size), **({"Origin": origin} if origin else {})}
    url = f"{_GOOGLE}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&name={quote(name, safe='')}"
    try:
        with within(_SESSION_S):
            answer = session.post(url, json={}, headers=headers, timeout=_SESSION_S)
    except (RequestException, OSError) as error:
        raise UpstreamError("Can't reach Google Cloud Storage. Try again later.") from error
    address = answer.headers.get("Location")
    if answer.status_code != 200 or not address:
        raise UpstreamError(f"Google Cloud Storage answered with HTTP {answer.status_code}. Try again later.")
    return str(address)


@cache
def google_session() -> Session:
    """Return a client with the installation's credentials."""
    import google.auth
    from google.auth.transport.requests import AuthorizedSession

    from headwater.outbound.google_session import limit_session

    credentials, _ = google.auth.default(scopes=[_SCOPE])
    session = AuthorizedSession(credentials)  # type: ignore[no-untyped-call]
    limit_session(session)
    return session
