"""The connector of buckets: objects below a prefix, on S3, R2, Google Cloud Storage or any S3-compatible service.

An object's fingerprint is its ETag and size. A listing is complete, so objects that are gone are removed. A long one
stages what it has found, and goes on with the next page in the next step.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

import msgspec

from functions.collection.connectors.bucket.config import BucketConfig
from functions.collection.connectors.bucket.s3 import S3Bucket, S3Object, read_key
from functions.collection.connectors.media_types import media_type
from headwater.connectors import MAX_KEY_BYTES, Connector, Entry, Fetched, Listing, Secret
from headwater.errors import PermanentError, SystemicError, UnprocessableContent, UpstreamError

STEP_S = 45.0
MAX_PAGE_BYTES = 16_000_000
MAX_OBJECTS = 1_000_000
MAX_SELECTED = 100_000
_SNAPSHOT = "bucket"


class Found(msgspec.Struct):
    """What a listing has found, between its steps: keys with fingerprints, or reasons to skip them.

    `token` stands for the next page, `first` is the first key of the last one, `visited` counts objects and pages.
    """

    token: str = ""
    first: str = ""
    visited: int = 0
    entries: dict[str, str] = {}
    skipped: dict[str, str] = {}
    unmatched: dict[str, int] = {}


class BucketConnector(Connector[BucketConfig]):
    """Reads objects of a bucket."""

    title = "Bucket"
    help = "Collects files in a bucket on Amazon S3, Cloudflare R2, Google Cloud Storage, or a compatible service."
    config_type = BucketConfig
    identity = ("url",)
    secret = Secret(
        "Access key",
        "ID and secret as ID:SECRET. It has to allow listing the bucket and reading objects. "
        "For Google Cloud Storage, an HMAC key. Leave empty for a public bucket.",
    )
    step_s = STEP_S

    @classmethod
    def normalise(cls, config: BucketConfig) -> BucketConfig:
        """Check every field; raises UnprocessableContent with the reason."""
        return config.normalised()

    def check(self, config: BucketConfig, secret: str | None) -> None:
        """List one object; raises UnprocessableContent with the reason."""
        read_key(secret)
        try:
            self._open(config, secret).list_page("", max_keys=1)
        except (PermanentError, UpstreamError) as error:
            raise UnprocessableContent(error.message) from error

    def list(self, config: BucketConfig, secret: str | None, cursor: str | None, known: AbstractSet[str]) -> Listing:  # noqa: ARG002
        """List the selected objects. `cursor` is the `resume` of a listing under way: the number of its last step."""
        until = time.monotonic() + self.step_s
        found = self._staged(int(cursor)) if cursor else Found()
        is_last = self._go_on(self._open(config, secret), config, found, until)
        if not is_last:
            number = int(cursor or 0) + 1
            self.context.blobs().put(self._stage_key(number), msgspec.msgpack.encode(found))
            return Listing(_SNAPSHOT, [], resume=str(number))
        entries = [Entry(key, fingerprint) for key, fingerprint in found.entries.items()]
        return Listing(_SNAPSHOT, entries, skipped=list(found.skipped.items()), unmatched=found.unmatched)

    def fetch(
        self,
        config: BucketConfig,
        secret: str | None,
        snapshot: str,  # noqa: ARG002
        entries: Sequence[Entry],
    ) -> Iterator[Fetched]:
        """Get objects, one after another."""
        bucket = self._open(config, secret)
        for entry in entries:
            url = bucket.url_of(entry.key) if bucket.is_public else None
            try:
                content = bucket.get(entry.key)
            except UpstreamError:
                raise
            except PermanentError as error:
                yield Fetched(entry.key, None, "", error=f"{entry.key} {error.message}")
            else:
                yield Fetched(entry.key, content, media_type(entry.key, content), url=url)

    def _go_on(self, bucket: S3Bucket, config: BucketConfig, found: Found, until: float) -> bool:
        """List pages until a time. Returns True after the last one."""
        selector = config.selector()
        unmatched = Counter(found.unmatched)
        while True:
            page = bucket.list_page(found.token)
            first = page.objects[0].key if page.objects else ""
            if first and first == found.first:
                raise SystemicError(f"{config.url} repeats a part of its listing, so its objects can't be listed.")
            for item in page.objects:
                if item.key.endswith("/"):  # what consoles store for a folder
                    continue
                if not selector.includes(item.key):
                    unmatched[_extension(item.key)] += 1
                elif not selector.excludes(item.key):
                    self._add(item, found)
            found.token, found.first = page.token, first
            found.visited += len(page.objects) + 1
            found.unmatched = dict(unmatched)
            _check_number(config.url, found)
            if not page.token:
                return True
            if time.monotonic() > until:
                return False

    def _add(self, item: S3Object, found: Found) -> None:
        limit = self.context.max_file_bytes
        parts = item.key.split("/")
        reason = None
        if len(item.key.encode()) > MAX_KEY_BYTES or not item.key.isprintable() or {"", ".", ".."} & set(parts):
            reason = "the key has control characters, or empty parts, `.` or `..`"
        elif item.is_archived:
            reason = "the object is archived; restore it first"
        elif item.size > limit:
            reason = f"the object has {item.size:,} bytes, more than the limit of {limit:,} (MAX_FILE_BYTES)"
        if reason:
            found.skipped[item.key.replace("\0", "\\0")] = reason
        else:
            found.entries[item.key] = item.fingerprint

    def _staged(self, number: int) -> Found:
        content = self.context.blobs().get(self._stage_key(number))
        if content is None:
            raise UpstreamError("The unfinished listing was deleted from the blob store. Collect again.")
        return msgspec.msgpack.decode(content, type=Found)

    def _stage_key(self, number: int) -> str:
        return f"{self.context.stage_prefix}/pages/{number}"

    def _open(self, config: BucketConfig, secret: str | None) -> S3Bucket:
        from headwater.outbound.web_client import WebClient

        http = self.context.http()
        pages, objects = WebClient(http, max_bytes=MAX_PAGE_BYTES), self.context.web()
        return S3Bucket(config, secret, pages=pages, objects=objects)


def _check_number(url: str, found: Found) -> None:
    if found.visited > MAX_OBJECTS or len(found.entries) > MAX_SELECTED:
        raise PermanentError(
            f"{url} has more than {MAX_OBJECTS:,} objects, or {MAX_SELECTED:,} to collect. Set a prefix."
        )


def _extension(key: str) -> str:
    name = key[key.rfind("/") + 1 :]
    dot = name.rfind(".")
    return name[dot:].lower()[:50] if dot > 0 else ""


CONNECTOR = BucketConnector
