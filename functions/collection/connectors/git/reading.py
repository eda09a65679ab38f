"""Read the answer of a Git server: a limit of bytes, a deadline, and a least speed."""

from collections.abc import Callable

from dulwich.errors import GitProtocolError

from functions.collection.connectors.git.errors import TransferTooLarge
from headwater.outbound.deadline import Deadline

MAX_REFS_BYTES = 64_000_000
"""Of answers that are not packs."""
_FRAMING, _SLACK = 1.01, 8_192  # pkt-lines and progress messages, added to a pack
_CHUNK = 65_536
_WINDOW_S, _MIN_BYTES = 60.0, 1_000  # a server that sends less in each window is too slow


def answer_bytes(pack_bytes: int) -> int:
    """Return the most bytes of an answer with a pack of so many bytes."""
    return int(pack_bytes * _FRAMING) + _SLACK


class LimitedReader:
    """Reads an answer by `read_piece`, which waits as long as the applied deadline allows."""

    def __init__(self, read_piece: Callable[[int], bytes], url: str, max_bytes: int, deadline: Deadline) -> None:
        self._read_piece = read_piece
        self._url = url
        self._max_bytes = max_bytes
        self._deadline = deadline
        self._received = 0
        self._window, self._in_window = Deadline(_WINDOW_S), 0

    def read(self, size: int) -> bytes:
        """Read `size` bytes, or fewer at the end."""
        pieces, missing = [], size
        while missing and (piece := self._read(missing)):
            pieces.append(piece)
            missing -= len(piece)
        data = b"".join(pieces)
        if data.startswith(b"ERR "):  # an error packet; dulwich overlooks some
            raise GitProtocolError(data[4:].decode(errors="replace").strip())
        return data

    def _read(self, size: int) -> bytes:
        with self._deadline.apply(), self._window.apply():
            piece = self._read_piece(min(size, _CHUNK))
        self._received, self._in_window = self._received + len(piece), self._in_window + len(piece)
        if self._received > self._max_bytes:
            raise TransferTooLarge(f"{self._url} sent more than {self._max_bytes:,} bytes")
        if self._in_window >= _MIN_BYTES:
            self._window, self._in_window = Deadline(_WINDOW_S), 0
        return piece
