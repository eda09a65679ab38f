"""Model folders in a bucket, on a loopback server that speaks S3's protocol."""

import hashlib
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from headwater.embedding.local import bucket
from headwater.embedding.local.bucket import BucketFolder
from headwater.embedding.registry import load_embedder, load_tokenizer
from headwater.errors import ConfigError
from tests.harness.paths import MODELS
from tests.integration.headwater.embedding.local.test_folder import NAME, make_folder

URL = "s3://models/minilm"


@dataclass
class S3:
    """A server with the files of the bucket `models`. `sent`: the names of those that were downloaded."""

    files: dict[str, bytes] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    cut: bool = False
    """Send half of each file."""

    def put(self, name: str, content: bytes) -> None:
        self.files[f"minilm/{name}"] = content

    def answer(self, target: str) -> tuple[int, bytes]:
        parts = urlsplit(target)
        key = unquote(parts.path.removeprefix("/models").strip("/"))
        if "list-type" in parse_qs(parts.query):
            [prefix] = parse_qs(parts.query).get("prefix", [""])
            entries = "".join(_entry(name, self.files[name]) for name in sorted(self.files) if name.startswith(prefix))
            return 200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>".encode()
        if key not in self.files:
            return 404, b"<Error><Code>NoSuchKey</Code></Error>"
        self.sent.append(key.removeprefix("minilm/"))
        content = self.files[key]
        return 200, content[: len(content) // 2] if self.cut else content


def _entry(name: str, content: bytes) -> str:
    tag = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return (
        f"<Contents><Key>{name}</Key><Size>{len(content)}</Size><ETag>&quot;{tag}&quot;</ETag>"
        "<LastModified>2026-11-01T00:00:00.000Z</LastModified></Contents>"
    )


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    running = S3()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, body = running.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", '"x"')
            self.send_header("Last-Modified", "Sun, 01 Nov 2026 00:00:00 GMT")
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
    for name in ("AWS_ALLOW_HTTP", "AWS_SKIP_SIGNATURE"):
        monkeypatch.setenv(name, "true")
    monkeypatch.setenv("AWS_REGION", "local")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    bucket.bucket_folder.cache_clear()
    yield running
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """all-MiniLM-L6-v2 in a folder, with another graph that is not needed."""
    folder = make_folder(tmp_path_factory.mktemp("model"))
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {**found, "onnx/model_O4.onnx": b"x", "pytorch_model.bin": b"y"}


def sums(files: dict[str, bytes]) -> bytes:
    """Return what `sha256sum` writes."""
    lines = [f"{hashlib.sha256(content).hexdigest()}  ./{name}" for name, content in files.items()]
    return "\n".join(lines).encode()


def test_model_is_downloaded_once_with_what_it_needs(s3: S3, files: dict[str, bytes]) -> None:
    for name, content in {**files, "SHA256SUMS": sums(files)}.items():
        s3.put(name, content)
    tokenizer = load_tokenizer(f"onnx:{URL}", MODELS)
    assert tokenizer.starts(["a b"]) == [[0, 2]]
    assert not {"onnx/model.onnx", "onnx/weights.bin"}.intersection(s3.sent), "counting needs no graph"
    vector = load_embedder(f"onnx:{URL}", MODELS).embed_query("a question")
    assert vector @ load_embedder(NAME, MODELS).embed_query("a question") > 0.9999
    assert sorted(s3.sent) == sorted({*s3.sent}), "each once"
    assert not {"onnx/model_O4.onnx", "pytorch_model.bin"}.intersection(s3.sent)
    del s3.sent[:]
    bucket.bucket_folder.cache_clear()  # as another process of the instance
    load_tokenizer(f"onnx:{URL}", MODELS)
    assert s3.sent == ["SHA256SUMS"]
    s3.put("tokenizer.json", b"{}")
    s3.put("SHA256SUMS", sums({**files, "tokenizer.json": b"{}"}))
    bucket.bucket_folder.cache_clear()
    with pytest.raises(ConfigError, match=r"tokenizer\.json is invalid"):
        load_tokenizer(f"onnx:{URL}", MODELS)


def test_damaged_incomplete_and_missing_files_are_reported(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="has no files"):
        BucketFolder(URL)
    s3.put("tokenizer.json", b"right")
    s3.put("SHA256SUMS", sums({"tokenizer.json": b"wrong"}))
    with pytest.raises(ConfigError, match=r"checksum of tokenizer\.json differs"):
        BucketFolder(URL).fetch("tokenizer.json")
    s3.put("SHA256SUMS", b"")
    with pytest.raises(ConfigError, match=r"no checksum of tokenizer\.json"):
        BucketFolder(URL).fetch("tokenizer.json")
    del s3.files["minilm/SHA256SUMS"]
    assert BucketFolder(URL).fetch("another") is False
    s3.cut = True
    with pytest.raises(ConfigError, match=r"has changed while tokenizer\.json"):
        BucketFolder(URL).fetch("tokenizer.json")
    s3.cut = False
    monkeypatch.setattr(bucket, "MAX_BYTES", 4)
    folder = BucketFolder(URL)
    with pytest.raises(ConfigError, match="too large"):
        folder.fetch("tokenizer.json")
    assert [path for path in folder.path.rglob("*") if path.is_file()] == [], "nothing partial is left"


def test_unreachable_bucket_and_foreign_folder_are_reported(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.put("tokenizer.json", b"{}")
    own = BucketFolder(URL).path.parent
    own.chmod(0o777)
    with pytest.raises(ConfigError, match="belongs to another user"):
        BucketFolder(URL)
    with pytest.raises(ConfigError, match="can't be listed"):
        BucketFolder("s3://")
