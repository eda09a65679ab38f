"""Read a Git pack that may be hostile: unpack its objects within limits of size and time.

A few KB can unpack to gigabytes, and deltas can be stacked. So the sizes in the headers of all objects and deltas are
added up first, against `max_total_bytes`, and verified by inflating everything in small pieces that are dropped. Only
then are objects unpacked, one at a time, none over `max_object_bytes`. `check_time` is called regularly and may raise.

The format: https://git-scm.com/docs/pack-format.
"""

import hashlib
import mmap
import zlib
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

from dulwich.errors import ApplyDeltaError
from dulwich.pack import apply_delta

from headwater.errors import PermanentError, UpstreamError

COMMIT, TREE, BLOB, TAG = 1, 2, 3, 4
_NAMES = {COMMIT: b"commit", TREE: b"tree", BLOB: b"blob", TAG: b"tag"}
_OFS_DELTA, _REF_DELTA = 6, 7
_HEADER_BYTES = 12  # "PACK", version, number of objects
_CHUNK = 65_536
_MAX_OBJECTS = 1_000_000
_MAX_SHIFT = 60  # no number in a pack has more bits
_MAX_BASES_BYTES = 256_000_000  # bases in memory while their deltas are unpacked


class PackTooLarge(PermanentError):
    """The pack unpacks to more than the limit."""


class UnpackedObject(NamedTuple):
    """One object. `sha` is hex; `content` is None for an object over the limit."""

    kind: int
    sha: str
    size: int
    content: bytes | None


class _PackedObject(NamedTuple):
    """One object as stored. `data` is the offset of its data, `base` the offset or SHA that a delta refers to."""

    kind: int
    data: int
    stored_size: int
    size: int
    base: int | bytes | None


class PackFile:
    """The objects of one pack. `sha_bytes` is 20, or 32 in repositories with SHA-256."""

    def __init__(
        self,
        file: IO[bytes],
        *,
        max_object_bytes: int,
        max_total_bytes: int,
        check_time: Callable[[], object],
        sha_bytes: int = 20,
    ) -> None:
        file.flush()
        self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._hash = {20: hashlib.sha1, 32: hashlib.sha256}[sha_bytes]
        self._sha_bytes = sha_bytes
        self._max_object_bytes = max_object_bytes
        self._check_time = check_time
        self._packed: dict[int, _PackedObject] = {}
        self._on_offset: dict[int, list[int]] = {}
        self._on_sha: dict[bytes, list[int]] = {}
        try:
            self._check()
            self._scan(max_total_bytes)
        except (IndexError, StopIteration, zlib.error) as error:
            raise UpstreamError("The Git server sent a broken pack. Try again.") from error

    def close(self) -> None:
        """Close the file."""
        self._bytes.close()

    def objects(self, *kinds: int) -> Iterator[UnpackedObject]:
        """Unpack the objects of these kinds, in no particular order.

        An object over the limit is yielded without its content. If a delta, its base or its result is over the limit,
        the object is not yielded, because its SHA is unknown.
        """
        done: set[int] = set()
        try:
            for offset, packed in self._packed.items():
                if packed.kind in kinds:
                    yield from self._unpack_with_deltas(offset, packed.kind, done)
        except (ApplyDeltaError, ValueError) as error:
            raise UpstreamError("The Git server sent a broken pack. Try again.") from error

    def _check(self) -> None:
        trailer = len(self._bytes) - self._sha_bytes
        digest = self._hash(usedforsecurity=False)
        for start in range(0, trailer, _CHUNK):
            digest.update(self._bytes[start : min(start + _CHUNK, trailer)])
        if trailer < _HEADER_BYTES or self._bytes[:4] != b"PACK" or digest.digest() != self._bytes[trailer:]:
            raise UpstreamError("The Git server sent an incomplete or damaged pack. Try again.")

    def _scan(self, max_total_bytes: int) -> None:
        """Find the offset and size of each object, without keeping any."""
        offset, total = _HEADER_BYTES, 0
        count = int.from_bytes(self._bytes[8:12], "big")
        if count > _MAX_OBJECTS:
            raise PackTooLarge(f"it has more than {_MAX_OBJECTS:,} objects")
        for _ in range(count):
            kind, stored_size, data = read_object_header(self._bytes, offset)
            total += stored_size
            if total > max_total_bytes:  # before inflating
                raise PackTooLarge(f"it unpacks to more than {max_total_bytes:,} bytes")
            base: int | bytes | None = None
            if kind == _OFS_DELTA:
                distance, data = _read_offset(self._bytes, data)
                base = offset - distance
                self._on_offset.setdefault(base, []).append(offset)
            elif kind == _REF_DELTA:
                base, data = self._bytes[data : data + self._sha_bytes], data + self._sha_bytes
                self._on_sha.setdefault(base, []).append(offset)
            end, start_of_content = self._skip(data, stored_size)
            size = stored_size
            if base is not None:
                size = _delta_target_size(start_of_content)
                total += size
            self._packed[offset] = _PackedObject(kind, data, stored_size, size, base)
            offset = end
        if total > max_total_bytes:
            raise PackTooLarge(f"it unpacks to more than {max_total_bytes:,} bytes")

    def _skip(self, offset: int, size: int) -> tuple[int, bytes]:
        """Inflate data with a stated size; returns the offset of its end and the first unpacked bytes."""
        inflater = zlib.decompressobj()
        unpacked, head = 0, b""
        while not inflater.eof:
            self._check_time()
            chunk = self._bytes[offset : offset + min(_CHUNK, size - unpacked + 64)]
            piece = inflater.decompress(chunk, _CHUNK)
            if not piece and not chunk:
                raise zlib.error("the data ends too early")
            # At the end, both have the remaining bytes.
            offset += len(chunk) - len(inflater.unused_data if inflater.eof else inflater.unconsumed_tail)
            head = head or piece[:32]
            unpacked += len(piece)
            if unpacked > size:
                break
        if unpacked != size:
            raise zlib.error("the data has another size than its header")
        return offset, head

    def _unpack_with_deltas(self, offset: int, kind: int, done: set[int]) -> Iterator[UnpackedObject]:
        """Unpack an object that is no delta, and all deltas based on it, directly or indirectly.

        `done` has the offsets of unpacked deltas: a pack may have an object twice, with the same deltas.
        """
        pending: list[tuple[int, bytes | None] | int] = [(offset, None)]
        bases_bytes = 0
        while pending:
            item = pending.pop()
            if isinstance(item, int):  # all deltas of a base of this size are done
                bases_bytes -= item
                continue
            offset, base = item
            packed = self._packed[offset]
            if max(packed.size, packed.stored_size) > self._max_object_bytes:
                if base is None:
                    yield UnpackedObject(kind, self._hash_large(packed), packed.size, None)
                continue
            content = self._unpack(packed, base)
            sha = self._hash(b"%s %d\0" % (_NAMES[kind], len(content)), usedforsecurity=False)
            sha.update(content)
            yield UnpackedObject(kind, sha.hexdigest(), len(content), content)
            deltas = {*self._on_offset.get(offset, ()), *self._on_sha.get(sha.digest(), ())} - done
            if deltas:
                done |= deltas
                bases_bytes += len(content)
                if bases_bytes > _MAX_BASES_BYTES:
                    raise PackTooLarge(f"its deltas need more than {_MAX_BASES_BYTES:,} bytes at once")
                pending.append(len(content))
                pending.extend((other, content) for other in deltas)

    def _unpack(self, packed: _PackedObject, base: bytes | None) -> bytes:
        inflater = zlib.decompressobj()
        pieces = []
        position, left = packed.data, packed.stored_size
        while not inflater.eof:
            self._check_time()
            chunk = self._bytes[position : position + min(_CHUNK, left + 64)]
            pieces.append(inflater.decompress(chunk))
            position, left = position + len(chunk), max(0, left - len(pieces[-1]))
        stored = b"".join(pieces)
        return stored if base is None else b"".join(apply_delta(base, stored))

    def _hash_large(self, packed: _PackedObject) -> str:
        sha = self._hash(b"%s %d\0" % (_NAMES[packed.kind], packed.size), usedforsecurity=False)
        inflater = zlib.decompressobj()
        rest, position = b"", packed.data
        while not inflater.eof:
            self._check_time()
            if not rest:
                rest, position = self._bytes[position : position + _CHUNK], position + _CHUNK
            sha.update(inflater.decompress(rest, _CHUNK))
            rest = inflater.unconsumed_tail
        return sha.hexdigest()


def read_object_header(pack: bytes | mmap.mmap, offset: int) -> tuple[int, int, int]:
    """Return an object's kind, size and the offset of its data; raises IndexError if the header is incomplete."""
    byte = pack[offset]
    kind, size, shift = byte >> 4 & 7, byte & 15, 4
    while byte & 0x80 and shift < _MAX_SHIFT:
        offset += 1
        byte = pack[offset]
        size |= (byte & 0x7F) << shift
        shift += 7
    return kind, size, offset + 1


def _read_offset(pack: bytes | mmap.mmap, offset: int) -> tuple[int, int]:
    """Return the distance back to the base of a delta, and the offset of the delta's data."""
    byte = pack[offset]
    distance = byte & 0x7F
    while byte & 0x80 and distance < 1 << _MAX_SHIFT:
        offset += 1
        byte = pack[offset]
        distance = (distance + 1 << 7) | (byte & 0x7F)
    return distance, offset + 1


def _delta_target_size(delta: bytes) -> int:
    """Return the size of a delta's result: the second of the two numbers that it starts with."""
    position = next(index for index, byte in enumerate(delta) if byte < 0x80) + 1
    size = shift = 0
    while shift < _MAX_SHIFT:
        byte = delta[position]
        size |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        position, shift = position + 1, shift + 7
    return size
