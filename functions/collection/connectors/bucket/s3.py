"""Speak the S3 protocol with one bucket: list its objects and get them, by the guarded client.

S3, R2, MinIO and Google Cloud Storage (with HMAC keys) have this protocol in common. obstore isn't used here: its HTTP
client can't be given checked addresses (docs/decisions/0035-speak-s3-by-the-guarded-client.md).
"""

import datetime as dt
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import msgspec

from functions.collection.connectors.bucket.config import BucketConfig
from functions.collection.connectors.bucket.signature import AccessKey, path_of, query_of, sign
from headwater.errors import PermanentError, SystemicError, UnprocessableContent, UpstreamError
from headwater.redaction import quote

if TYPE_CHECKING:
    from headwater.outbound.web_client import WebClient, WebResponse

_ARCHIVED = frozenset(("GLACIER", "DEEP_ARCHIVE"))
_LISTING = "ListBucketResult"


class S3Object(msgspec.Struct, frozen=True, array_like=True):
    """An object in a listing."""

    key: str
    fingerprint: str
    size: int
    is_archived: bool


class Page(msgspec.Struct, frozen=True):
    """A page of a listing. `token` asks for the next one, "" on the last."""

    objects: list[S3Object]
    token: str


class Redirected(PermanentError):
    """The server sends requests to another address."""


class S3Bucket:
    """One bucket. `pages` and `objects` are clients with the limits of a listing and of a file."""

    def __init__(self, config: BucketConfig, secret: str | None, *, pages: "WebClient", objects: "WebClient") -> None:
        self._config = config
        self._key = read_key(secret)
        self._pages = pages
        self._objects = objects
        parts = urlsplit(config.url)
        self._origin, self._path = f"{parts.scheme}://{parts.netloc}", unquote(parts.path)

    @property
    def is_public(self) -> bool:
        """Whether the bucket is read without a key."""
        return self._key is None

    def url_of(self, key: str) -> str:
        """Return the address of an object."""
        return self._origin + path_of(self._path, key)

    def list_page(self, token: str, max_keys: int = 1000) -> Page:
        """List the first objects, or those that a page's token stands for.

        Raises SystemicError if the bucket can't be read. Not all servers list in the order of keys, so that the last
        key can't stand for the next page.
        """
        parameters = {
            "list-type": "2",
            "max-keys": str(max_keys),
            "encoding-type": "url",
            "prefix": self._config.prefix,
        }
        if token:
            parameters["continuation-token"] = token
        answer = self._get(self._pages, f"{self._origin}{path_of(self._path)}?{query_of(parameters)}")
        if answer.status != 200:
            raise SystemicError(self._refusal(answer))
        return read_page(answer.content, self._config.url)

    def get(self, key: str) -> bytes:
        """Return an object's content; raises PermanentError with the reason, which completes "a.pdf …"."""
        try:
            answer = self._get(self._objects, self.url_of(key))
        except UpstreamError:
            raise
        except PermanentError as error:
            raise PermanentError(f"can't be read: {error.message}") from None
        if answer.status == 404:
            raise PermanentError("was deleted from the bucket after it was listed")
        if answer.status == 403:
            raise PermanentError("may not be read with this key; allow it to read objects (s3:GetObject)")
        if answer.status != 200:
            raise PermanentError(f"can't be read: the bucket answered with HTTP {answer.status}")
        return answer.content

    def _get(self, client: "WebClient", url: str) -> "WebResponse":
        headers = {}
        if self._key:
            now = dt.datetime.now(dt.UTC)
            headers = sign(url, self._key, region=self._config.signing_region(), now=now)

        def refuse_redirect(target: str) -> None:
            if target != url:  # a signature is for one host only
                raise Redirected(f"{self._config.url} redirects to {quote(target)}. Enter the bucket's own address.")

        return client.get(url, headers, before_request=refuse_redirect)

    def _refusal(self, answer: "WebResponse") -> str:
        url, status = self._config.url, answer.status
        region = quote(answer.headers.get("x-amz-bucket-region", ""), 50)
        if region and region != self._config.signing_region():
            return f"{url} is in the region {region}. Set the source's region."
        if status in (401, 403) and self._key is None:
            return f"{url} is not public (HTTP {status}). Enter an access key, as ID:SECRET."
        if status in (400, 401, 403):
            return (
                f"{url} refuses the access key (HTTP {status}). Check the key and the region. The key has to allow "
                "listing the bucket (s3:ListBucket) and reading its objects (s3:GetObject)."
            )
        if status == 404:
            return f"There is no bucket at {url}. Check the name and the endpoint."
        return f"{url} answered with HTTP {status} to a request for its objects. Check the address."


def read_key(secret: str | None) -> AccessKey | None:
    """Return the parts of an access key; raises UnprocessableContent if there are not two."""
    if not secret or not secret.strip():
        return None
    identifier, _, value = secret.strip().partition(":")
    if not identifier or not value or not secret.strip().isascii() or not secret.strip().isprintable():
        raise UnprocessableContent("token: enter the access key as ID:SECRET, with a colon between its two parts.")
    return AccessKey(identifier, value)


def read_page(content: bytes, url: str) -> Page:
    """Read the XML of a listing. Raises SystemicError if it isn't one. Entities are not expanded."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True)
    not_s3 = f"{quote(url)} is not the address of a bucket: it doesn't answer as S3 does."
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise SystemicError(not_s3) from error
    if etree.QName(root).localname != _LISTING:
        raise SystemicError(not_s3)
    space = etree.QName(root).namespace
    tag = f"{{{space}}}" if space else ""
    try:
        is_encoded = root.findtext(f"{tag}EncodingType") == "url"
        objects = [_read_object(item, tag, is_encoded=is_encoded) for item in root.iterfind(f"{tag}Contents")]
    except ValueError as error:
        raise SystemicError(f"{quote(url)} sent a listing that can't be read ({quote(error)}).") from error
    if root.findtext(f"{tag}IsTruncated") != "true":
        return Page(objects, "")
    token = root.findtext(f"{tag}NextContinuationToken") or ""
    if not token:
        raise SystemicError(f"{quote(url)} sent a part of its listing, and no token for the next part.")
    return Page(objects, token)


def _read_object(item: Any, tag: str, *, is_encoded: bool) -> S3Object:
    key = item.findtext(f"{tag}Key") or ""
    if is_encoded:
        key = unquote(key.replace("+", "%20"), errors="strict")
    size = int(item.findtext(f"{tag}Size") or "0")
    version = (item.findtext(f"{tag}ETag") or item.findtext(f"{tag}LastModified") or "").strip('"')
    storage = item.findtext(f"{tag}StorageClass") or ""
    return S3Object(key, f"{version[:100]}-{size}".replace("\n", " "), size, storage in _ARCHIVED)
