"""Signatures of requests, by the examples that Amazon publishes."""

import datetime as dt

from functions.collection.connectors.bucket.signature import AccessKey, path_of, query_of, sign

KEY = AccessKey("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
NOW = dt.datetime(2013, 5, 24, tzinfo=dt.UTC)
HOST = "https://examplebucket.s3.amazonaws.com"


def signature(url: str, **headers: str) -> str:
    return sign(url, KEY, region="us-east-1", now=NOW, headers=headers)["authorization"].rpartition("=")[2]


def test_signatures_are_those_of_amazons_examples() -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html#example-signature-calculations"""
    expected = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    assert signature(f"{HOST}/test.txt", range="bytes=0-9") == expected
    query = query_of({"max-keys": "2", "prefix": "J"})
    expected = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
    assert signature(f"{HOST}/?{query}") == expected


def test_paths_and_queries_are_encoded_once() -> None:
    assert path_of("/b", "a b/ü%?#&=+.md") == "/b/a%20b/%C3%BC%25%3F%23%26%3D%2B.md"
    assert query_of({"prefix": "a b/ü&", "list-type": "2"}) == "list-type=2&prefix=a%20b%2F%C3%BC%26"
