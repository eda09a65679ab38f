"""Answers that grow from 1 MB to 1 GB when they are decompressed: refused with a reason, in little memory."""

import tracemalloc
import zlib
from collections.abc import Callable, Iterator

import pytest

from functions.collection.connectors.api_client import AnswerTooLarge, ApiClient, ApiService
from functions.collection.connectors.api_values import Refused
from headwater.errors import PermanentError
from headwater.outbound.guarded_http import guarded_http
from headwater.outbound.web_client import TooLarge, WebClient
from tests.fakes.web_site import Page, WebSite, web_site

MAX_BYTES = 2_000_000
MAX_MEMORY = 16_000_000
PART, PARTS = b"\0" * 1_000_000, 1_000


def bomb(wbits: int) -> bytes:
    """Return a stream of about 1 MB that decompresses to 1 GB: one part, and another one repeated."""
    packer = zlib.compressobj(9, wbits=wbits)
    first = packer.compress(PART) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + (packer.compress(PART) + packer.flush(zlib.Z_FULL_FLUSH)) * (PARTS - 1)


GZIP = bomb(zlib.MAX_WBITS | 16)
BODIES = {
    "gzip": GZIP,
    "deflate": bomb(zlib.MAX_WBITS),
    "gzip, gzip": zlib.compress(GZIP, wbits=zlib.MAX_WBITS | 16),
}


@pytest.fixture(scope="module")
def site() -> Iterator[WebSite]:
    with web_site() as site:
        for encoding, body in BODIES.items():
            for status in (200, 404):
                headers = {"Content-Encoding": encoding}
                site.pages[f"/{status}/{encoding.replace(', ', '-')}"] = Page(body, "text/html", status, headers)
        yield site


def read_page(url: str) -> None:
    WebClient(guarded_http(allow_private=True), max_bytes=MAX_BYTES).get(url)


def download(url: str) -> None:
    origin, _, path = url.partition("/200/")
    service = ApiService("The service", delay_s=0)
    api = ApiClient(guarded_http(allow_private=True), origin, service, {})
    api.download(f"/200/{path}", {}, max_bytes=MAX_BYTES)


def peak_of(call: Callable[[], None], error: type[PermanentError], reason: str) -> int:
    """Return the most bytes that were allocated during a call, which must raise an error."""
    tracemalloc.start()
    try:
        with pytest.raises(error, match=reason):
            call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("encoding", BODIES)
@pytest.mark.parametrize(
    ("read", "error", "reason"),
    [
        (read_page, TooLarge, r"has more than 2,000,000 bytes \(MAX_FILE_BYTES\)"),
        (download, AnswerTooLarge, "sent more than 2,000,000 bytes"),
    ],
    ids=["WebClient", "ApiClient"],
)
def test_answer_that_grows_is_refused(
    read: Callable[[str], None], error: type[PermanentError], reason: str, encoding: str, site: WebSite
) -> None:
    assert len(BODIES[encoding]) < MAX_BYTES  # so that its Content-Length is no reason
    url = f"{site.origin}/200/{encoding.replace(', ', '-')}"
    assert peak_of(lambda: read(url), error, reason) < MAX_MEMORY


@pytest.mark.parametrize("encoding", BODIES)
def test_refusal_that_grows_is_read_in_part(encoding: str, site: WebSite) -> None:
    api = ApiClient(guarded_http(allow_private=True), site.origin, ApiService("The service", delay_s=0), {})
    path = f"/404/{encoding.replace(', ', '-')}"
    assert peak_of(lambda: api.get_json(path), Refused, "HTTP 404") < MAX_MEMORY
