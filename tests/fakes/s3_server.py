"""An S3 server with one key on loopback: puts, gets, lists and deletes objects, takes them in parts, checks signatures.

obstore, another implementation of the protocol, writes to it and signs URLs for it in tests.
"""

import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

KEY_ID, SECRET, REGION = "AKIDEXAMPLE", "a/secret+of/forty-characters-0123456789", "eu-test-1"
Answer = tuple[int, dict[str, str], bytes]


class FakeS3:
    """Buckets with their objects. `before` may answer a request in place of the server."""

    def __init__(self) -> None:
        self.buckets: dict[str, dict[str, bytes]] = {"docs": {}}
        self.multipart: dict[str, dict[int, bytes]] = {}
        self.archived: set[str] = set()
        self.is_public = False
        self.page_size = 1000
        self.requests: list[str] = []
        self.before: Callable[[str, str], Answer | None] = lambda _method, _path: None
        self.url = ""

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        self.requests.append(f"{method} {target}")
        if answer := self.before(method, target):
            return answer
        if not self.is_public and (problem := _problem(method, target, headers)):
            return 403, {"x-amz-bucket-region": REGION}, f"<Error><Code>{problem}</Code></Error>".encode()
        parts = urlsplit(target)
        _, bucket, *rest = unquote(parts.path).split("/", 2)
        objects, key = self.buckets.get(bucket), "".join(rest)
        if objects is None:
            return 404, {}, b"<Error><Code>NoSuchBucket</Code></Error>"
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        if "uploads" in query or "uploadId" in query:
            return self._multipart(method, objects, key, query, body)
        if method == "POST" and "delete" in query:
            names = re.findall("<Key>(.*?)</Key>", body.decode())
            for name in names:
                objects.pop(unescape(name), None)
            deleted = "".join(f"<Deleted><Key>{name}</Key></Deleted>" for name in names)
            return 200, {}, f"<DeleteResult>{deleted}</DeleteResult>".encode()
        if method == "PUT":
            objects[key] = body
            return 200, {"ETag": etag(body)}, b""
        if not key and query.get("list-type") == "2":
            return 200, {"Content-Type": "application/xml"}, self._list(objects, query)
        if key not in objects:
            return 404, {}, b"<Error><Code>NoSuchKey</Code></Error>"
        if method == "DELETE":
            del objects[key]
            return 204, {}, b""
        dates = {"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT", "ETag": etag(objects[key])}
        return 200, dates, objects[key]

    def _multipart(
        self, method: str, objects: dict[str, bytes], key: str, query: dict[str, str], body: bytes
    ) -> Answer:
        """Answer a request of https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html."""
        if "uploads" in query:
            upload_id = str(len(self.multipart) + 1)
            self.multipart[upload_id] = {}
            result = f"<Bucket>docs</Bucket><Key>{escape(key)}</Key><UploadId>{upload_id}</UploadId>"
            return 200, {}, f"<InitiateMultipartUploadResult>{result}</InitiateMultipartUploadResult>".encode()
        sent = self.multipart[query["uploadId"]]
        if method == "PUT":
            sent[int(query["partNumber"])] = body
            return 200, {"ETag": etag(body)}, b""
        if method == "DELETE":
            sent.clear()
            return 204, {}, b""
        objects[key] = b"".join(sent[number] for number in sorted(sent))
        result = f"<Bucket>docs</Bucket><Key>{escape(key)}</Key><ETag>{escape(etag(objects[key]))}</ETag>"
        return 200, {}, f"<CompleteMultipartUploadResult>{result}</CompleteMultipartUploadResult>".encode()

    def _list(self, objects: dict[str, bytes], query: dict[str, str]) -> bytes:
        after = query.get("continuation-token") or query.get("start-after", "")
        limit = min(int(query.get("max-keys", "1000")), self.page_size)
        found = sorted(key for key in objects if key.startswith(query.get("prefix", "")) and key > after)
        shown = found[:limit]
        encode = (lambda key: quote(key, safe="/")) if query.get("encoding-type") == "url" else escape
        items = "".join(
            f"<Contents><Key>{encode(key)}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>{escape(etag(objects[key]))}</ETag><Size>{len(objects[key])}</Size>"
            f"<StorageClass>{'GLACIER' if key in self.archived else 'STANDARD'}</StorageClass></Contents>"
            for key in shown
        )
        encoding = "<EncodingType>url</EncodingType>" if "encoding-type" in query else ""
        token = f"<NextContinuationToken>{escape(shown[-1])}</NextContinuationToken>" if len(found) > limit else ""
        return (
            '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>docs</Name><KeyCount>{len(shown)}</KeyCount>{encoding}{token}"
            f"<IsTruncated>{'true' if len(found) > limit else 'false'}</IsTruncated>{items}</ListBucketResult>"
        ).encode()


def etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def _problem(method: str, target: str, headers: dict[str, str]) -> str | None:
    """Return the code of the error if a request is not signed with the key, for now and for this region."""
    parts = urlsplit(target)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if signature := query.pop("X-Amz-Signature", None):
        credential, names = query["X-Amz-Credential"], query["X-Amz-SignedHeaders"]
        time, content_hash, lifetime = query["X-Amz-Date"], "UNSIGNED-PAYLOAD", int(query["X-Amz-Expires"])
    else:
        pattern = r"AWS4-HMAC-SHA256 Credential=(\S+), ?SignedHeaders=(\S+), ?Signature=(\S+)"
        given = re.fullmatch(pattern, headers.get("authorization", "").replace(",S", ", S"))
        if not given:
            return "AccessDenied"
        credential, names, signature = given.groups()
        time, content_hash, lifetime = headers["x-amz-date"], headers["x-amz-content-sha256"], 900
    key_id, _, scope = credential.partition("/")
    age = dt.datetime.now(dt.UTC) - dt.datetime.strptime(time, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
    if key_id != KEY_ID or scope != f"{time[:8]}/{REGION}/s3/aws4_request":
        return "InvalidAccessKeyId"
    if not -900 < age.total_seconds() < lifetime:
        return "RequestTimeTooSkewed"
    pairs = "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in sorted(query.items()))
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names.split(";"))
    request = "\n".join((method, parts.path, pairs, lines, names, content_hash))
    text = "\n".join(("AWS4-HMAC-SHA256", time, scope, hashlib.sha256(request.encode()).hexdigest()))
    key = b"AWS4" + SECRET.encode()
    for part in (time[:8], REGION, "s3", "aws4_request", text):
        key = hmac.digest(key, part.encode(), "sha256")
    return None if hmac.compare_digest(key.hex(), signature) else "SignatureDoesNotMatch"


@contextmanager
def serve_s3() -> Iterator[FakeS3]:
    """Serve S3 on loopback until the block ends."""
    fake = FakeS3()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except ConnectionError:  # a client that was killed
                self.close_connection = True

        def respond(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(size)
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer: Answer = 400, {"Connection": "close"}, b"<Error><Code>IncompleteBody</Code></Error>"
            if len(body) == size:
                answer = fake.answer(self.command, self.path, headers, body)
            status, sent, content = answer
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **sent}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = respond

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
