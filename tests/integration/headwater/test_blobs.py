"""The blob store in memory and in a folder; buckets go through the same obstore calls."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.blobs import Blobs, open_blobs
from headwater.errors import ConfigError, UpstreamError


@pytest.fixture(params=["memory", "folder"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return open_blobs("memory:///" if request.param == "memory" else (tmp_path / "a folder").as_uri())


def test_get_returns_the_last_put(blobs: Blobs) -> None:
    assert blobs.get("staged/a") is None
    assert not blobs.exists("staged/a")
    blobs.put("staged/a", b"one")
    blobs.put("staged/a", b"\0two")
    blobs.put("staged/empty", b"")
    assert blobs.get("staged/a") == b"\0two"
    assert blobs.get("staged/empty") == b""
    assert blobs.exists("staged/a")


def test_head_returns_the_first_bytes(blobs: Blobs) -> None:
    blobs.put("a", b"content")
    assert [blobs.head("a", size) for size in (3, 7, 100)] == [b"con", b"content", b"content"]
    assert blobs.head("b", 3) is None


def test_delete_prefix_removes_only_keys_below_it(blobs: Blobs) -> None:
    for key in ("a/b/c", "a/b/d/e", "a/bc", "ab", "b"):
        blobs.put(key, b"x")
    blobs.delete_prefix("a/b")
    assert [key for key in ("a/b/c", "a/b/d/e", "a/bc", "ab", "b") if blobs.exists(key)] == ["a/bc", "ab", "b"]
    blobs.delete_prefix("a/b")
    blobs.delete_prefix("never")


def test_put_all_and_get_all_keep_many_blobs_in_order(blobs: Blobs) -> None:
    made = 0

    def items() -> Iterator[tuple[str, bytes]]:
        nonlocal made
        for n in range(100):
            made += 1
            yield f"staged/{n}", b"%d" % n

    blobs.put_all(items())
    assert made == 100
    keys = [f"staged/{n}" for n in range(99, -1, -1)]
    assert list(blobs.get_all([*keys, "staged/none"])) == [
        *((key, key.removeprefix("staged/").encode()) for key in keys),
        ("staged/none", None),
    ]
    blobs.delete_prefix("staged")
    assert not any(blobs.exists(key) for key in keys)


def test_put_all_raises_the_error_of_its_items(blobs: Blobs) -> None:
    def items() -> Iterator[tuple[str, bytes]]:
        yield "staged/a", b"a"
        raise UpstreamError("broken off")

    with pytest.raises(UpstreamError, match="broken off"):
        blobs.put_all(items())


def test_folder_keeps_blobs_for_the_next_process(tmp_path: Path) -> None:
    open_blobs(tmp_path.as_uri()).put("staged/a", b"a")
    assert open_blobs(tmp_path.as_uri()).get("staged/a") == b"a"


def test_store_failure_is_an_upstream_error(tmp_path: Path) -> None:
    blobs = open_blobs((tmp_path / "folder").as_uri())
    blobs.put("staged", b"a file where a folder is needed")
    with pytest.raises(UpstreamError, match="Can't store a blob"):
        blobs.put("staged/a", b"a")


@pytest.mark.parametrize(
    "url", ["", "nonsense", "https://example.org/", "file:///", "file://host/x", "s3://", "gs:///x"]
)
def test_invalid_blob_url_error_has_examples(url: str) -> None:
    with pytest.raises(ConfigError, match=r"BLOB_URL.*gs://bucket"):
        open_blobs(url)


def test_opening_a_bucket_sends_no_request() -> None:
    assert open_blobs("s3://bucket/prefix")
