"""Addresses of buckets, their regions, and fields that are refused."""

from typing import Any

import pytest

from functions.collection.connectors.bucket.config import BucketConfig
from functions.collection.connectors.bucket.s3 import read_key, read_page
from headwater.errors import SystemicError, UnprocessableContent

AWS = "https://s3.eu-central-1.amazonaws.com/handbook"


@pytest.mark.parametrize(
    ("url", "stored", "region"),
    [
        (AWS, AWS, "eu-central-1"),
        ("https://handbook.s3.eu-central-1.amazonaws.com/", AWS, "eu-central-1"),
        ("gs://handbook", "https://storage.googleapis.com/handbook", "auto"),
        ("https://1f.r2.cloudflarestorage.com/handbook/", "https://1f.r2.cloudflarestorage.com/handbook", "auto"),
        ("http://127.0.0.1:9000/handbook", "http://127.0.0.1:9000/handbook", "us-east-1"),
        ("http://[::1]:9000/handbook", "http://[::1]:9000/handbook", "us-east-1"),
    ],
)
def test_address_is_endpoint_and_bucket(url: str, stored: str, region: str) -> None:
    config = BucketConfig(url).normalised()
    assert (config.url, config.signing_region()) == (stored, region)
    assert config.normalised() == config


@pytest.mark.parametrize(
    "url",
    [
        *("", "handbook", "s3://handbook", "https://s3.amazonaws.com/", "https://a.example/b/c", "ftp://a.example/b"),
        *(
            "https://key:secret@a.example/bucket",
            "https://a.example/bucket?x=1",
            "https://a.example:x/b",
            "https://[/b",
        ),
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(UnprocessableContent, match=r"config\.url"):
        BucketConfig(url).normalised()


def test_other_fields_are_checked() -> None:
    changes: dict[str, Any] = {"region": "a b", "prefix": "/docs", "include": (), "exclude": ("[",)}
    for field, wrong in changes.items():
        with pytest.raises(UnprocessableContent, match=rf"config\.{field}"):
            BucketConfig(**{"url": AWS, field: wrong}).normalised()


@pytest.mark.parametrize("secret", ["id", "id:", ":secret", "ü:secret", "id:se\ncret"])
def test_key_needs_two_parts(secret: str) -> None:
    with pytest.raises(UnprocessableContent, match="ID:SECRET"):
        read_key(secret)


BOMB = b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">' + b"".join(
    b'<!ENTITY %c "%s">' % (name, b"&%c;" % (name - 1) * 10) for name in range(ord("b"), ord("k"))
)


@pytest.mark.parametrize(
    "content", [b"", b"<html/>", b"{}", b"\xff\xfe", BOMB + b"]><ListBucketResult>&j;</ListBucketResult", b"<a>" * 5000]
)
def test_answers_that_are_no_listing_are_refused(content: bytes) -> None:
    with pytest.raises(SystemicError, match="not the address of a bucket"):
        read_page(content, AWS)


def test_listing_with_broken_numbers_is_refused() -> None:
    page = b"<ListBucketResult><Contents><Key>a</Key><Size>many</Size></Contents></ListBucketResult>"
    with pytest.raises(SystemicError, match="can't be read"):
        read_page(page, AWS)
