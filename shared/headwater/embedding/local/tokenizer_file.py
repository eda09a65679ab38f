"""Tokenizers that are read from a `tokenizer.json`, by the tokenizers library."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

# An encoding takes 200 times the memory of its text, so long texts are encoded in pieces, a group of pieces in
# parallel.
PIECE_CHARS = 25_000
GROUP_CHARS = 250_000
_SPACE = re.compile(r"[ \t\n\r]")


class FileTokenizer:
    """The tokenizer of a file. Safe to share between threads."""

    def __init__(self, path: Path) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(path))

    def starts(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's token starts, in characters; nothing is truncated.

        Starts never decrease. No token starts at white space. In WordPiece, a word of more than 100 characters is one
        token; a character can be several (한 is three).
        """
        starts: list[list[int]] = [[] for _ in texts]
        for pieces in _group(_pieces(texts)):
            encodings = self._tokenizer.encode_batch([piece for _, _, piece in pieces], add_special_tokens=False)
            for (index, at, _), encoding in zip(pieces, encodings, strict=True):
                starts[index].extend([at + start for start, _ in encoding.offsets])
        return starts

    def ids(self, texts: Sequence[str], limit: int) -> list[list[int]]:
        """Return at most `limit` token ids of each text."""
        # Truncated here: the tokenizer's own truncation is shared state, which would affect `starts` in other threads.
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [encoding.ids[:limit] for encoding in encodings]


def _pieces(texts: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """Split long texts at white space, where no token continues; only an extremely long word is split elsewhere.

    Yields the text's index, the piece's start in the text, and the piece.
    """
    for index, text in enumerate(texts):
        start = 0
        while len(text) - start > 2 * PIECE_CHARS:
            space = _SPACE.search(text, start + PIECE_CHARS, start + 2 * PIECE_CHARS)
            end = space.start() if space else start + PIECE_CHARS
            yield index, start, text[start:end]
            start = end
        yield index, start, text[start:]


def _group(pieces: Iterable[tuple[int, int, str]]) -> Iterator[list[tuple[int, int, str]]]:
    """Group pieces; the tokenizer encodes a group in parallel."""
    group: list[tuple[int, int, str]] = []
    chars = 0
    for piece in pieces:
        group.append(piece)
        chars += len(piece[2])
        if chars > GROUP_CHARS:
            yield group
            group, chars = [], 0
    if group:
        yield group
