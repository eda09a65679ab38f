"""Buckets: listings, their steps, contents, refusals and hostile servers. obstore writes what is read."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from obstore.store import S3Store

from functions.collection.connectors.bucket.config import BucketConfig
from functions.collection.connectors.bucket.connector import BucketConnector
from functions.collection.sources.connect import SourceOpener
from functions.collection.sources.credentials import Credentials
from headwater.config import Settings
from headwater.connectors import ConnectorContext, Fetched, Listing
from headwater.errors import HeadwaterError, SystemicError, UnprocessableContent, UpstreamError
from tests.fakes.s3_server import KEY_ID, REGION, SECRET, FakeS3, serve_s3

TOKEN = f"{KEY_ID}:{SECRET}"
FILES = {
    "index.md": b"# Index",
    "docs/a b/\u00fc+&=#?.md": b"# Odd",
    "docs/guide.pdf": b"%PDF-1.7",
    "docs/": b"",
    "docs/photo.jpg": b"\xff\xd8",
    "docs/large.md": b"x" * 5_001,
    "docs/old.md": b"# Old",
    "docs/../up.md": b"# Up",
}


@pytest.fixture
def s3() -> Iterator[FakeS3]:
    with serve_s3() as fake:
        credentials: Any = {"access_key_id": KEY_ID, "secret_access_key": SECRET, "region": REGION}
        store = S3Store("docs", endpoint=fake.url, client_options={"allow_http": True}, **credentials)
        for key, content in FILES.items():
            if key in ("index.md", "docs/guide.pdf", "docs/a b/\u00fc+&=#?.md"):
                store.put(key, content)
        assert fake.buckets["docs"].keys() == {"index.md", "docs/guide.pdf", "docs/a b/\u00fc+&=#?.md"}
        fake.buckets["docs"] |= FILES
        fake.archived = {"docs/old.md"}
        fake.requests.clear()
        yield fake


class Bucket:
    def __init__(self, s3: FakeS3, tmp_path: Path, token: str | None = TOKEN, **config: Any) -> None:
        blobs = (tmp_path / "blobs").as_uri()
        settings = Settings(database_url="unused", blob_url=blobs, fetch_private=True, max_file_bytes=5_000)
        values = {"url": f"{s3.url}/docs", "region": REGION, **config}
        self.source = SourceOpener(settings).open(Credentials(uuid.uuid4(), "bucket", values, token, None))

    def list(self) -> Listing:
        listing = self.source.list(None, frozenset())
        while listing.resume:
            listing = self.source.list(listing.resume, frozenset())
        return listing

    def fetch(self, listing: Listing) -> dict[str, Fetched]:
        return {file.key: file for file in self.source.fetch(listing.snapshot, listing.entries)}


def test_selected_objects_are_listed_and_fetched(s3: FakeS3, tmp_path: Path) -> None:
    bucket = Bucket(s3, tmp_path)
    bucket.source.check()
    listing = bucket.list()
    assert [entry.key for entry in listing.entries] == ["docs/a b/\u00fc+&=#?.md", "docs/guide.pdf", "index.md"]
    reasons = dict(listing.skipped)
    assert set(reasons) == {"docs/../up.md", "docs/large.md", "docs/old.md"}
    assert "archived" in reasons["docs/old.md"]
    assert "5,001" in reasons["docs/large.md"]
    assert listing.unmatched == {".jpg": 1}
    files = bucket.fetch(listing)
    assert {key: file.content for key, file in files.items()} == {key: FILES[key] for key in files}
    assert files["docs/guide.pdf"].media_type == "application/pdf"
    assert files["docs/guide.pdf"].url is None


def test_changed_and_deleted_objects_are_noticed(s3: FakeS3, tmp_path: Path) -> None:
    bucket = Bucket(s3, tmp_path, include=["**"], prefix="docs/")
    before = {entry.key: entry.fingerprint for entry in bucket.list().entries}
    s3.buckets["docs"]["docs/guide.pdf"] = b"%PDF-2.0"
    del s3.buckets["docs"]["docs/photo.jpg"]
    after = {entry.key: entry.fingerprint for entry in bucket.list().entries}
    assert before.keys() - after.keys() == {"docs/photo.jpg"}
    assert {key for key in after if after[key] != before[key]} == {"docs/guide.pdf"}


def test_long_listing_goes_on_in_the_next_step(s3: FakeS3, tmp_path: Path) -> None:
    class Slow(BucketConnector):
        step_s = 0.0

    s3.page_size = 2
    s3.buckets["docs"] = {f"{n:02}.md": b"#" for n in range(7)}
    context = ConnectorContext(
        stage_prefix="staged/a",
        blob_url=(tmp_path / "blobs").as_uri(),
        allow_private=True,
        allow_file_urls=False,
        max_file_bytes=5_000,
        max_batch_bytes=5_000,
        max_source_bytes=5_000,
        timeout_s=60,
    )
    connector = Slow(context)
    config, steps = BucketConfig(f"{s3.url}/docs", REGION), []
    listing = connector.list(config, TOKEN, None, frozenset())
    while listing.resume:
        steps.append(listing.resume)
        connector.list(config, TOKEN, listing.resume, frozenset())  # as after a crash
        listing = connector.list(config, TOKEN, listing.resume, frozenset())
    assert len(steps) == 3
    assert [entry.key for entry in listing.entries] == sorted(s3.buckets["docs"])


def test_public_bucket_needs_no_key(s3: FakeS3, tmp_path: Path) -> None:
    bucket = Bucket(s3, tmp_path, token=None)
    with pytest.raises(UnprocessableContent, match="not public"):
        bucket.source.check()
    s3.is_public = True
    listing = bucket.list()
    assert bucket.fetch(listing)["docs/guide.pdf"].url == f"{s3.url}/docs/docs/guide.pdf"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"token": f"{KEY_ID}:wrong-secret-of-the-key"}, "refuses the access key"),
        ({"region": "us-east-1"}, f"in the region {REGION}"),
        ({"url": "{url}/other"}, "no bucket"),
    ],
)
def test_refusals_say_what_to_do(s3: FakeS3, tmp_path: Path, change: dict[str, str], message: str) -> None:
    changes = {name: value.replace("{url}", s3.url) for name, value in change.items()}
    bucket = Bucket(s3, tmp_path, **changes)
    with pytest.raises(UnprocessableContent, match=message) as raised:
        bucket.source.check()
    assert "wrong-secret" not in raised.value.message
    with pytest.raises(SystemicError, match=message):
        bucket.list()


def test_objects_that_are_gone_or_refused_have_a_reason(s3: FakeS3, tmp_path: Path) -> None:
    bucket = Bucket(s3, tmp_path)
    listing = bucket.list()
    del s3.buckets["docs"]["index.md"]
    s3.before = lambda _method, path: (403, {}, b"") if path.endswith(".pdf") else None
    errors = {key: file.error for key, file in bucket.fetch(listing).items() if file.error}
    assert errors["index.md"] == "index.md was deleted from the bucket after it was listed"
    assert "s3:GetObject" in str(errors["docs/guide.pdf"])


def page(keys: str, *, token: str = "same") -> tuple[int, dict[str, str], bytes]:
    items = "".join(f"<Contents><Key>{key}</Key><Size>1</Size><ETag>e</ETag></Contents>" for key in keys)
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>"
    return 200, {}, f"<ListBucketResult>{more}{items}</ListBucketResult>".encode()


def test_listing_in_another_order_with_empty_pages_is_complete(s3: FakeS3, tmp_path: Path) -> None:
    """Google Cloud Storage's XML, and the order of servers that walk folders."""
    keys = {"": ["b/%C3%BC.md", "a.md"], "t/1==": [], "t/2==": ["A.md"]}
    tokens = {"": "t/1==", "t/1==": "t/2==", "t/2==": ""}

    def answer(_method: str, target: str) -> tuple[int, dict[str, str], bytes]:
        token = dict(parse_qsl(urlsplit(target).query)).get("continuation-token", "")
        items = "".join(
            f"<Contents><Key>{key}</Key><Generation>1360887697105000</Generation><MetaGeneration>1</MetaGeneration>"
            "<LastModified>2013-02-15T00:21:37.078Z</LastModified><ETag>&quot;eb61&quot;</ETag><Size>6</Size>"
            "<StorageClass>ARCHIVE</StorageClass></Contents>"
            for key in keys[token]
        )
        following = tokens[token] and f"<NextContinuationToken>{tokens[token]}</NextContinuationToken>"
        text = (
            "<?xml version='1.0' encoding='UTF-8'?><ListBucketResult xmlns='http://doc.s3.amazonaws.com/2006-03-01'>"
            f"<Name>docs</Name><EncodingType>url</EncodingType><KeyCount>2</KeyCount>{following}"
            f"<IsTruncated>{'true' if following else 'false'}</IsTruncated>{items}</ListBucketResult>"
        )
        return 200, {"Content-Type": "application/xml; charset=UTF-8"}, text.encode()

    s3.before = answer
    listing = Bucket(s3, tmp_path).list()
    assert {entry.key: entry.fingerprint for entry in listing.entries} == dict.fromkeys(
        ("b/ü.md", "a.md", "A.md"), "eb61-6"
    )


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (page("ab"), "repeats a part"),
        (page("ab", token=""), "no token"),
        ((200, {}, b"<a>" * 100_000), "not the address of a bucket"),
        ((302, {"Location": "http://169.254.169.254/latest"}, b""), "redirects"),
        ((200, {"Content-Length": str(10**12)}, b""), "more than"),
        ((500, {}, b""), "HTTP 500"),
    ],
)
def test_hostile_servers_end_the_listing(
    s3: FakeS3, tmp_path: Path, answer: tuple[int, dict[str, str], bytes], message: str
) -> None:
    s3.before = lambda _method, _path: answer
    with pytest.raises(HeadwaterError, match=message):
        Bucket(s3, tmp_path).list()
    assert len(s3.requests) <= 2


def test_server_that_asks_for_a_pause_is_left_alone(s3: FakeS3, tmp_path: Path) -> None:
    s3.before = lambda _method, _path: (503, {"Retry-After": "7"}, b"")
    with pytest.raises(UpstreamError) as raised:
        Bucket(s3, tmp_path).list()
    assert raised.value.retry_after_s == 7
