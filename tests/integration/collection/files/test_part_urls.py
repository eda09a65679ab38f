"""URLs of parts: signed ones of S3, sessions of Google Cloud Storage, and paths of the API; an upload to a bucket."""

import datetime as dt
import hashlib
import json
import socket
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any, ClassVar

import pytest
import requests
import urllib3
from obstore.store import MemoryStore, S3Store

from functions.chat.retrieval.search import Search
from functions.collection.files.part_urls import MAX_URLS, missing_parts
from functions.collection.files.parts import PART_BYTES, UploadRow
from functions.collection.sources.sources import NewSource, create_source
from headwater.blobs import Blobs
from headwater.embedding.constant import ConstantEmbedder
from headwater.errors import UpstreamError
from tests.fakes.s3_server import KEY_ID, REGION, SECRET, serve_s3
from tests.harness.collection_app import CollectionClient
from tests.harness.databases import FreshDatabase
from tests.harness.pipeline import running_pipeline
from tests.integration.collection.files.test_parts import PartUploader

CONTENT = bytes(PART_BYTES) + b"end"


def upload(size: int = len(CONTENT)) -> UploadRow:
    expires_at = dt.datetime.now(dt.UTC)
    return UploadRow(uuid.uuid4(), uuid.uuid4(), uuid.uuid4(), "a.pdf", size, "0" * 64, None, expires_at)


def test_parts_are_put_to_s3_by_signed_urls_and_joined() -> None:
    with serve_s3() as s3:
        credentials: Any = {"access_key_id": KEY_ID, "secret_access_key": SECRET, "region": REGION}
        blobs = Blobs(S3Store("docs", endpoint=s3.url, client_options={"allow_http": True}, **credentials))
        row = upload()
        for part in missing_parts("s3://docs", blobs, "parts/a", row, []):
            body = CONTENT[part.offset : part.offset + part.bytes]
            assert urllib3.request("PUT", part.url, body=body).status == 200
            changed = part.url.replace("parts/a/0000", "parts/b/0000")
            assert urllib3.request("PUT", changed, body=b"x").status == 403
        assert row.received(blobs.sizes("parts/a")) == [1, 2]
        hashed = hashlib.sha256()
        assert blobs.join(["parts/a/00001", "parts/a/00002"], "whole", hashed.update)
        assert blobs.get("whole") == CONTENT
        assert hashed.digest() == hashlib.sha256(CONTENT).digest()
        assert not blobs.join(["parts/a/00003"], "none", hashed.update)


def test_half_of_a_part_is_refused_as_by_s3() -> None:
    with serve_s3() as s3:
        s3.is_public = True
        port = int(s3.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"PUT /docs/parts/a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf")
            client.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: client.recv(1000), b""))
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"<Code>IncompleteBody</Code>" in answer
        assert s3.buckets == {"docs": {}}


def test_file_above_the_limit_of_a_request_goes_to_the_bucket_and_is_found(
    database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"# Pumps\n\nPrime the pump." + b" " * 40_000_000 + b"\n\n# Valves\n\nClose the valve."
    blob_url = f"s3://docs/{uuid.uuid4()}"  # stores are cached by URL, with their endpoint
    with serve_s3() as s3, running_pipeline(database, blob_url=blob_url, parse_timeout_s=60) as pipeline:
        for name, value in {
            "AWS_ENDPOINT_URL": s3.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": REGION,
        }.items():
            monkeypatch.setenv(name, value)
        with pipeline.database.transaction(pipeline.workspace_id) as tx:
            source = create_source(tx, pipeline.workspace_id, NewSource("uploads", "Manuals", {}), pipeline.settings)
        uploader = PartUploader(CollectionClient(pipeline.database, pipeline.settings), source)

        def send(part: dict[str, Any]) -> None:
            assert part["url"].startswith(f"{s3.url}/docs/{blob_url.rpartition('/')[2]}/")
            body = content[part["offset"] : part["offset"] + part["bytes"]]
            assert urllib3.request("PUT", part["url"], body=body).status == 200

        upload = uploader.begin(content, "manual.md")
        assert (len(content) > 32 * 2**20, upload["parts"], len(upload["missing"])) == (True, 6, 6)
        for part in upload["missing"]:
            if part["number"] != 4:  # lost
                send(part)
        assert "missing" in uploader.complete(upload, status=409)["detail"]
        again = uploader.begin(content, "manual.md")
        assert (again["id"], again["received"]) == (upload["id"], [1, 2, 3, 5, 6])
        [lost] = again["missing"]
        send(lost)
        run = pipeline.finish(uploader.complete(upload))
        assert (run.state, run.counts.added) == ("succeeded", 1)
        assert [len(blob) for blob in s3.buckets["docs"].values()] == [len(content)]  # the parts are deleted
        search = Search(pipeline.database, lambda _: ConstantEmbedder())
        passages = {passage.text for passage in search(pipeline.workspace_id, "valve", 20)}
        assert "# Valves\n\nClose the valve." in passages


class GoogleStorage(BaseHTTPRequestHandler):
    """Opens resumable sessions, each for one size. https://cloud.google.com/storage/docs/json_api/v1/objects/insert"""

    seen: ClassVar[list[tuple[str, str, str]]] = []
    status = 200

    def do_POST(self) -> None:
        assert json.loads(self.rfile.read(int(self.headers["Content-Length"]))) == {}
        self.seen.append((self.path, self.headers["X-Upload-Content-Length"], self.headers["Origin"]))
        self.send_response(self.status)
        self.send_header("Location", f"https://storage.googleapis.com{self.path}&upload_id={len(self.seen)}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


class Redirecting(requests.Session):
    """Sends what is for Google to the test's server."""

    def __init__(self, origin: str) -> None:
        super().__init__()
        self.origin = origin

    def request(self, method: Any, url: Any, *args: Any, **options: Any) -> Any:
        return super().request(method, url.replace("https://storage.googleapis.com", self.origin), *args, **options)


@pytest.fixture
def google() -> Iterator[Redirecting]:
    server = HTTPServer(("127.0.0.1", 0), GoogleStorage)
    GoogleStorage.seen.clear()
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    with Redirecting(f"http://127.0.0.1:{server.server_port}") as session:
        yield session
    GoogleStorage.status = 200
    server.shutdown()
    server.server_close()


def test_google_opens_a_session_of_exactly_the_parts_size(google: Redirecting) -> None:
    row, blobs = upload(), Blobs(MemoryStore())
    found = missing_parts("gs://b/pre", blobs, "parts/a", row, [1], origin="https://hw.example", google=lambda: google)
    [(path, size, origin)] = GoogleStorage.seen
    assert path == "/upload/storage/v1/b/b/o?uploadType=resumable&name=pre%2Fparts%2Fa%2F00002"
    assert (size, origin) == ("3", "https://hw.example")
    assert [part.url for part in found] == [f"https://storage.googleapis.com{path}&upload_id=1"]
    GoogleStorage.status = 403
    with pytest.raises(UpstreamError, match="HTTP 403"):
        missing_parts("gs://b", blobs, "parts/a", row, [1], google=lambda: google)


def test_other_stores_get_parts_by_the_api() -> None:
    row = upload(size=PART_BYTES * 50)
    found = missing_parts("file:///var/blobs", Blobs(MemoryStore()), "parts/a", row, [2])
    assert len(found) == MAX_URLS
    assert [part.number for part in found][:3] == [1, 3, 4]
    assert found[1].url == f"/api/uploads/{row.id}/parts/3"
    assert (found[1].offset, found[1].bytes) == (2 * PART_BYTES, PART_BYTES)
