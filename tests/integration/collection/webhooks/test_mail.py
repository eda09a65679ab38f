"""Mail that providers deliver: what they post, forgeries, repetitions, what isn't mail."""

import base64
import datetime as dt
import hmac
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.fernet import Fernet

from functions.collection.sources.sources import Source
from tests.fakes.mail_messages import message
from tests.harness.collection_app import CollectionClient
from tests.harness.databases import FreshDatabase
from tests.harness.pipeline import Pipeline, running_pipeline

MAIL = message(1, "The pump in the north yard leaks again.")
FIELD = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
FORM = FIELD % (b"to", b"a@x.y") + FIELD + b"--x--\r\n"


class Provider:
    """A mail provider that posts to the webhook of a source."""

    def __init__(self, client: CollectionClient, source: Source) -> None:
        self.client = client
        webhook = client.post(f"/api/sources/{source.id}/webhook", status=201)
        self.path, self.secret = f"{webhook['path']}/mail", webhook["secret"]

    def post(
        self,
        body: bytes,
        content_type: str = "message/rfc822",
        status: int = 202,
        signed: Mapping[str, str] | None = None,
    ) -> Any:
        password = base64.b64encode(f"mail:{self.secret}".encode()).decode()
        headers = {"Content-Type": content_type, **(signed or {"Authorization": f"Basic {password}"})}
        response = self.client.server.test_client().post(self.path, data=body, headers=headers)
        assert response.status_code == status, response.text
        return response.json


@pytest.fixture
def pipeline(database: FreshDatabase) -> Iterator[Pipeline]:
    with running_pipeline(database, secret_key=Fernet.generate_key().decode()) as pipeline:
        yield pipeline


@pytest.fixture
def provider(pipeline: Pipeline, client: CollectionClient) -> Provider:
    return Provider(client, pipeline.add_source(None, kind="uploads"))


def texts(pipeline: Pipeline) -> list[str]:
    pipeline.drain()
    return [text for (text,) in pipeline.rows("select text from documents where deleted_at is null order by key")]


def test_all_forms_of_a_message_are_one_document(pipeline: Pipeline, provider: Provider) -> None:
    postmark = json.dumps({"Subject": "Pump 4", "RawEmail": MAIL.decode()}).encode()
    first = provider.post(MAIL)
    assert first["result"] == "stored"
    assert first["path"].startswith("mail/2024/05/pump-4-")
    for body, content_type in (
        (MAIL.replace(b"\n", b"\r\n"), "text/plain"),
        (FORM % (b"email", MAIL), "multipart/form-data; boundary=x"),
        (FORM % (b"body-mime", MAIL), "multipart/form-data; boundary=x"),
        (urlencode({"body-mime": MAIL.decode()}).encode(), "application/x-www-form-urlencoded"),
        (postmark, "application/json; charset=utf-8"),
    ):
        assert provider.post(body, content_type)["path"] == first["path"]
    assert texts(pipeline) == ["# Pump 4\n\nThe pump in the north yard leaks again."]


def test_attached_documents_are_collected_and_linked(pipeline: Pipeline, provider: Provider) -> None:
    files = [
        ("Größe 4.md", b"# Sizes\n\nThe flange has 80 mm.\n", "text/markdown"),
        ("photo.png", b"\x89PNG\r\n", "image/png"),
        ("../parts.csv", b"part,price\nseal,4\n", "text/csv"),
        ("a-6.txt", b"Seal A.", "text/x-a"),
        ("a.txt", b"Seal B.", "text/x-a"),
        ("A.txt", b"Seal C.", "text/x-a"),
    ]
    path = provider.post(message(1, "See the files.", files=files))["path"]
    folder = path.removesuffix(".eml")
    names = ("Größe 4.md", "parts.csv", "a-6.txt", "a.txt", "A-6-6.txt")
    attached = {f"{folder}/{name}" for name in names}
    assert {stored for (stored,) in pipeline.rows("select path from uploaded_files")} == {path, *attached}
    assert len(texts(pipeline)) == 6
    [(text,)] = pipeline.rows("select text from documents where key like '%.eml'")
    assert "/parts.csv)" in text
    assert "photo.png" in text
    linked = "select d.key from relations r join documents d on d.id = r.target_document_id"
    assert {key for (key,) in pipeline.rows(linked)} == attached


def test_message_that_comes_again_replaces_its_files(pipeline: Pipeline, provider: Provider) -> None:
    provider.post(message(1, "See.", files=[("a.txt", b"Seal A.", "text/x-a"), ("b.txt", b"Seal B.", "text/x-a")]))
    provider.post(message(1, "Again.", files=[("b.txt", b"Seal C.", "text/x-a")]))
    assert [text for text in texts(pipeline) if text.startswith("Seal")] == ["Seal C."]
    assert len(texts(pipeline)) == 2


def nested(depth: int) -> bytes:
    """Write a message whose attached file is in so many parts, each in another."""
    parts = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(depth))
    return parts + b"Content-Disposition: attachment; filename=a.txt\r\n\r\nDeep.\r\n"


@pytest.mark.parametrize(
    "parts",
    [
        nested(3_000),
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n" * 50_000 + b"name=",
        b"Content-Type: text/plain; name*0*=utf-8''%; name*x=\r\n\r\nText.",
    ],
    ids=["deep", "many", "odd name"],
)
def test_message_with_unreadable_parts_is_stored(pipeline: Pipeline, provider: Provider, parts: bytes) -> None:
    assert provider.post(b"Subject: Odd\r\nMessage-ID: <odd@x.y>\r\n" + parts)["result"] == "stored"
    assert len(pipeline.rows("select 1 from uploaded_files")) == 1


def test_repeated_delivery_starts_no_run(pipeline: Pipeline, provider: Provider) -> None:
    provider.post(MAIL)
    pipeline.drain()
    assert provider.post(MAIL)["result"] == "duplicate"
    assert len(pipeline.rows("select 1 from runs")) == 1
    assert len(pipeline.rows("select 1 from uploaded_files")) == 1


def test_deliveries_are_signed(pipeline: Pipeline, provider: Provider) -> None:
    digest = hmac.new(provider.secret.encode(), MAIL, "sha256").hexdigest()
    wrong = base64.b64encode(b"mail:whsec_wrong").decode()
    for headers in (
        {"Authorization": f"Basic {wrong}"},
        {"Authorization": "Basic ==="},
        {"Authorization": f"Bearer {provider.secret}"},
        {"X-Hub-Signature-256": f"sha256={digest[:-1]}"},
    ):
        provider.post(MAIL, status=401, signed=headers)
    assert not pipeline.rows("select 1 from uploaded_files")
    provider.post(MAIL, signed={"X-Hub-Signature-256": f"sha256={digest}"})
    key = base64.b64decode(provider.secret.removeprefix("whsec_"))
    at = str(int(dt.datetime.now(dt.UTC).timestamp()))
    signed = base64.b64encode(hmac.digest(key, f"m1.{at}.".encode() + MAIL, "sha256")).decode()
    headers = {"webhook-id": "m1", "webhook-timestamp": at, "webhook-signature": f"v1,{signed}"}
    assert provider.post(MAIL, signed=headers)["result"] == "stored"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "message/rfc822"),
        (b"\0\1\2", "message/rfc822"),
        (b"no header", "message/rfc822"),
        (b'{"Subject": "x"}', "application/json"),
        (b"[" * 10_000, "application/json"),
        (FORM % (b"text", MAIL), "multipart/form-data; boundary=x"),
        (b"--x\r\n" * 1_000, "multipart/form-data; boundary=x"),
        (MAIL, "multipart/form-data"),
    ],
)
def test_what_is_no_mail_is_refused(body: bytes, content_type: str, provider: Provider) -> None:
    provider.post(body, content_type, status=422)


def test_only_sources_of_uploads_take_mail(pipeline: Pipeline, client: CollectionClient) -> None:
    feed = pipeline.add_source("https://example.com/feed", kind="feed")
    assert "uploads" in Provider(client, feed).post(MAIL, status=409)["detail"]


def test_large_messages_are_refused(pipeline: Pipeline, provider: Provider) -> None:
    limit = min(pipeline.settings.max_file_bytes, 31_000_000)
    provider.post(MAIL + b"x" * limit, status=413)
