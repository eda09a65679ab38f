"""Config of a bucket: its address, region, folder and patterns. Pure."""

import re
from typing import Annotated
from urllib.parse import quote, unquote, urlsplit

import msgspec
from msgspec import Meta

from functions.collection.connectors.patterns import DOCUMENTS, selector_of
from headwater.errors import UnprocessableContent
from headwater.filters.globs import Selector

_GOOGLE = "storage.googleapis.com"
_AMAZON = re.compile(r"(?:(?P<bucket>[a-z0-9.-]{3,63})\.)?s3[.-](?:dualstack\.)?(?P<region>[a-z0-9-]+)\.amazonaws\.com")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}")


class BucketConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The bucket and the objects to collect from it."""

    url: Annotated[
        str,
        Meta(
            title="Bucket's address",
            description="The service's endpoint and the bucket's name, or gs:// and the name.",
            examples=["https://s3.eu-central-1.amazonaws.com/handbook", "gs://handbook"],
        ),
    ]
    region: Annotated[
        str | None,
        Meta(title="Region", description="Leave empty for the address's region.", examples=["eu-central-1"]),
    ] = None
    prefix: Annotated[
        str,
        Meta(title="Prefix", description="Collects only objects whose key begins with this text.", examples=["docs/"]),
    ] = ""
    include: Annotated[
        tuple[str, ...],
        Meta(
            title="Include",
            description="Patterns for the objects to collect, matched against the whole key.",
            examples=[["docs/**/*.pdf"]],
        ),
    ] = DOCUMENTS
    exclude: Annotated[
        tuple[str, ...],
        Meta(title="Exclude", description="Patterns for objects to leave out.", examples=[["**/archive/**"]]),
    ] = ()

    def normalised(self) -> "BucketConfig":
        """Return the config as it is stored; raises UnprocessableContent with the invalid field and the reason."""
        self.selector()
        region = (self.region or "").strip() or None
        if region and not re.fullmatch(r"[a-z0-9-]{1,50}", region):
            raise UnprocessableContent("config.region: enter the name of a region, such as eu-central-1.")
        if len(self.prefix.encode()) > 1024 or not self.prefix.isprintable() or self.prefix.startswith("/"):
            raise UnprocessableContent(
                "config.prefix: enter the beginning of keys, such as docs/, without a leading slash."
            )
        return msgspec.structs.replace(self, url=_normalise_url(self.url), region=region)

    def selector(self) -> Selector:
        """Compile the patterns."""
        return selector_of(self.include, self.exclude, "objects")

    def signing_region(self) -> str:
        """Return the region that requests are signed for. R2 and Google Cloud Storage take `auto`."""
        if self.region:
            return self.region
        host = urlsplit(self.url).hostname or ""
        if found := _AMAZON.fullmatch(host):
            return found["region"]
        return "auto" if host == _GOOGLE or host.endswith(".r2.cloudflarestorage.com") else "us-east-1"


def _normalise_url(url: str) -> str:
    """Write an address as endpoint and bucket: `https://ENDPOINT/BUCKET`."""
    url = url.strip()
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UnprocessableContent(f"config.url: this isn't a valid address: {error}.") from error
    host, bucket = parts.hostname or "", unquote(parts.path).strip("/")
    if parts.scheme == "gs":
        scheme, address, bucket = "https", _GOOGLE, host
    elif parts.scheme == "s3":
        raise UnprocessableContent(
            f"config.url: enter the endpoint with the bucket, such as https://s3.eu-central-1.amazonaws.com/{host}."
        )
    elif parts.scheme in ("http", "https") and host:
        scheme, address = parts.scheme, f"[{host}]" if ":" in host else host
        if (found := _AMAZON.fullmatch(host)) and found["bucket"]:
            address, bucket = host.removeprefix(f"{found['bucket']}."), bucket or found["bucket"]
        address += f":{port}" if port else ""
    else:
        raise UnprocessableContent("config.url: enter an address that starts with https:// or gs://.")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise UnprocessableContent("config.url: enter the address without keys, and without the part after ? or #.")
    if not _NAME.fullmatch(bucket):
        raise UnprocessableContent(
            "config.url: the address ends with the bucket's name, such as https://s3.eu-central-1.amazonaws.com/handbook."
        )
    return f"{scheme}://{address}/{quote(bucket)}"
