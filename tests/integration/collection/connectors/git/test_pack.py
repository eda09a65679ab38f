"""Git packs: objects, deltas, limits, and broken or hostile packs."""

import hashlib
import random
import tempfile
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count

import pytest

from functions.collection.connectors.git.pack import BLOB, TREE, PackFile, PackTooLarge, UnpackedObject
from headwater.errors import HeadwaterError, UpstreamError

OFS_DELTA, REF_DELTA = 6, 7


def header(kind: int, size: int) -> bytes:
    byte, size = kind << 4 | size & 15, size >> 4
    encoded = bytearray()
    while size:
        encoded.append(byte | 0x80)
        byte, size = size & 0x7F, size >> 7
    return bytes([*encoded, byte])


def packed(kind: int, content: bytes, base: bytes = b"") -> bytes:
    return header(kind, len(content)) + base + zlib.compress(content)


def number(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def insert(base_size: int, content: bytes) -> bytes:
    """Return a delta that ignores its base and inserts up to 127 bytes."""
    return number(base_size) + number(len(content)) + bytes([len(content)]) + content


def doubled(base_size: int) -> bytes:
    """Return a delta that copies its base (up to 16 MB) twice."""
    copy = b"\xf0" + base_size.to_bytes(3, "little")
    return number(base_size) + number(2 * base_size) + copy + copy


def sealed(*objects: bytes, count: int | None = None) -> bytes:
    body = b"PACK\0\0\0\2" + (len(objects) if count is None else count).to_bytes(4, "big") + b"".join(objects)
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


def sha_of(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@contextmanager
def opened(
    pack: bytes,
    *,
    max_object_bytes: int = 1_000,
    max_total_bytes: int = 1_000_000,
    check_time: Callable[[], object] = lambda: None,
) -> Iterator[PackFile]:
    with tempfile.TemporaryFile() as file:
        file.write(pack)
        opened_pack = PackFile(
            file, max_object_bytes=max_object_bytes, max_total_bytes=max_total_bytes, check_time=check_time
        )
        with closing(opened_pack):
            yield opened_pack


def blobs(pack: bytes, *, max_object_bytes: int = 1_000, max_total_bytes: int = 1_000_000) -> dict[str, UnpackedObject]:
    with opened(pack, max_object_bytes=max_object_bytes, max_total_bytes=max_total_bytes) as opened_pack:
        unpacked = list(opened_pack.objects(BLOB))
    assert len({blob.sha for blob in unpacked}) == len(unpacked)
    return {blob.sha: blob for blob in unpacked}


def test_whole_objects_are_unpacked_with_their_sha() -> None:
    one, two = b"one", bytes(900)
    unpacked_blobs = blobs(sealed(packed(BLOB, one), packed(TREE, b""), packed(BLOB, two), packed(BLOB, b"")))
    assert {sha: unpacked.content for sha, unpacked in unpacked_blobs.items()} == {
        sha_of(one): one,
        sha_of(two): two,
        sha_of(b""): b"",
    }


def test_deltas_resolve_by_offset_and_by_sha_in_any_order() -> None:
    base = packed(BLOB, b"base")
    by_offset = packed(OFS_DELTA, insert(4, b"offset"), bytes([len(base)]))
    by_sha = packed(REF_DELTA, insert(4, b"by sha"), bytes.fromhex(sha_of(b"base")))
    second_delta = packed(REF_DELTA, insert(6, b"twice"), bytes.fromhex(sha_of(b"by sha")))
    for order in ((base, by_offset, by_sha, second_delta), (second_delta, by_sha, base, by_offset)):
        unpacked_blobs = blobs(sealed(*order))
        assert {unpacked.content for unpacked in unpacked_blobs.values()} == {b"base", b"offset", b"by sha", b"twice"}


def test_object_over_the_limit_has_a_sha_and_size_but_no_content() -> None:
    large = bytes(100_000)
    unpacked_blobs = blobs(sealed(packed(BLOB, large), packed(BLOB, b"small")))
    assert unpacked_blobs[sha_of(large)] == UnpackedObject(BLOB, sha_of(large), 100_000, None)
    assert unpacked_blobs[sha_of(b"small")].content == b"small"


def test_large_object_is_hashed_in_little_memory() -> None:
    pack = sealed(packed(BLOB, bytes(50_000_000)))
    tracemalloc.start()
    try:
        unpacked_blobs = blobs(pack, max_total_bytes=60_000_000)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    assert [unpacked.size for unpacked in unpacked_blobs.values()] == [50_000_000]


def test_large_delta_is_skipped_in_little_memory() -> None:
    base = packed(BLOB, b"base")
    large = packed(OFS_DELTA, number(4) + number(10) + bytes(50_000_000), bytes([len(base)]))
    pack = sealed(base, large)
    tracemalloc.start()
    try:
        unpacked_blobs = blobs(pack, max_total_bytes=60_000_000)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    assert [unpacked.content for unpacked in unpacked_blobs.values()] == [b"base"]
    with pytest.raises(PackTooLarge):
        blobs(pack, max_total_bytes=40_000_000)


@pytest.mark.parametrize("large", [packed(BLOB, bytes(1_000_000)), packed(OFS_DELTA, bytes(1_000_000), b"\x01")])
def test_deadline_is_checked_while_a_pack_is_inflated(large: bytes) -> None:
    calls = count()

    def fail_at_the_fifth() -> None:
        if next(calls) == 5:
            raise UpstreamError("too slow")

    with pytest.raises(UpstreamError, match="too slow"), opened(sealed(large), check_time=fail_at_the_fifth):
        pytest.fail("a pack that takes too long was opened")


def test_deadline_is_checked_while_objects_are_unpacked() -> None:
    is_expired = False

    def check() -> None:
        if is_expired:
            raise UpstreamError("too slow")

    with opened(
        sealed(packed(BLOB, b"one"), packed(BLOB, b"two"), packed(BLOB, bytes(2_000))), check_time=check
    ) as pack:
        objects = pack.objects(BLOB)
        assert next(objects).content == b"one"
        is_expired = True
        with pytest.raises(UpstreamError, match="too slow"):
            next(objects)


def test_pack_over_the_total_limit_is_rejected() -> None:
    with pytest.raises(PackTooLarge, match="more than"):
        blobs(sealed(*[packed(BLOB, bytes(300_000))] * 4))
    with pytest.raises(PackTooLarge, match="more than"):
        blobs(sealed(header(BLOB, 10**12) + zlib.compress(b"")))
    with pytest.raises(PackTooLarge, match="objects"):
        blobs(sealed(packed(BLOB, b""), count=2_000_000))


def test_deltas_that_double_in_size_are_rejected() -> None:
    objects, size = [packed(BLOB, bytes(100))], 100
    for _ in range(16):
        distance = len(objects[-1])
        assert distance < 0x80
        objects.append(packed(OFS_DELTA, doubled(size), bytes([distance])))
        size *= 2
    with pytest.raises(PackTooLarge):
        blobs(sealed(*objects), max_object_bytes=10_000_000)
    unpacked_blobs = blobs(sealed(*objects), max_object_bytes=500, max_total_bytes=100_000_000)
    assert sorted(unpacked.size for unpacked in unpacked_blobs.values()) == [100, 200, 400]


def test_repeated_objects_are_unpacked_once_each() -> None:
    base = [packed(BLOB, b"base")] * 50
    deltas = [packed(REF_DELTA, insert(4, b"upon"), bytes.fromhex(sha_of(b"base")))] * 50
    second_deltas = [packed(REF_DELTA, insert(4, b"more"), bytes.fromhex(sha_of(b"upon")))] * 50
    with opened(sealed(*base, *deltas, *second_deltas)) as pack:
        assert len(list(pack.objects(BLOB))) == 150


def test_delta_without_its_base_is_skipped() -> None:
    unknown_sha = packed(REF_DELTA, insert(4, b"lost"), bytes(20))
    unknown_offset = packed(OFS_DELTA, insert(4, b"astray"), bytes([3]))
    assert [
        unpacked.content for unpacked in blobs(sealed(packed(BLOB, b"a"), unknown_sha, unknown_offset)).values()
    ] == [b"a"]


@pytest.mark.parametrize(
    "pack",
    [
        b"PACK",
        sealed(packed(BLOB, b"a"))[:-1],
        sealed(packed(BLOB, b"a")) + b"x",
        b"JUNK" + sealed(packed(BLOB, b"a"))[4:],
        sealed(packed(BLOB, b"a"), count=2),
        sealed(header(BLOB, 2) + zlib.compress(b"a")),
        sealed(header(BLOB, 1) + zlib.compress(b"aa")),
        sealed(header(BLOB, 1) + b"not zlib"),
        sealed(header(BLOB, 1) + zlib.compress(b"a")[:-4]),
        sealed(b"\xff" * 1_000),
        sealed(packed(OFS_DELTA, b"", b"\x01")),
        sealed(packed(OFS_DELTA, b"\xff" * 8, b"\x01")),
    ],
)
def test_broken_pack_is_rejected(pack: bytes) -> None:
    with pytest.raises((UpstreamError, PackTooLarge)):  # a broken size may be read as a huge one
        blobs(pack)


@pytest.mark.parametrize("delta", [b"\x04\x05\x90\xff", b"\x04\x05\x00", b"\x09\x05\x05right", b"\x04\x06\x05right"])
def test_broken_delta_is_an_upstream_error(delta: bytes) -> None:
    base = packed(BLOB, b"base")
    with pytest.raises(UpstreamError):
        blobs(sealed(base, packed(OFS_DELTA, delta, bytes([len(base)]))))


def test_random_damage_raises_only_headwater_errors() -> None:
    base = packed(BLOB, b"base" * 20)
    good = sealed(base, packed(OFS_DELTA, insert(80, b"offset"), bytes([len(base)])), packed(TREE, b"tree"))[:-20]
    rng = random.Random(7)
    for _ in range(500):
        body = bytearray(good)
        for _ in range(rng.randint(1, 4)):
            body[rng.randrange(8, len(body))] = rng.randrange(256)
        try:
            blobs(bytes(body) + hashlib.sha1(body, usedforsecurity=False).digest())
        except HeadwaterError:
            continue
