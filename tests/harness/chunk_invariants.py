"""Invariants of every page's chunks, for any model."""

import hashlib

from functions.collection.chunking.chunk import Chunk
from functions.collection.chunking.split import MAX_CHARS
from functions.collection.parsers.parse import ParsedDocument
from headwater.embedding.base import Tokenizer, embedding_input


def check_chunks(parsed: ParsedDocument, chunks: list[Chunk], tokenizer: Tokenizer) -> None:
    """Assert that chunks are in order, fit the model, have the right counts and hashes, and cover every block."""
    text = parsed.text
    inputs = [embedding_input(parsed.title, piece.heading_path, text[piece.start : piece.end]) for piece in chunks]
    counts = [len(tokens) for tokens in tokenizer.starts(inputs)]
    covered = bytearray(len(text))
    position = 0
    for ordinal, (piece, source, count) in enumerate(zip(chunks, inputs, counts, strict=True)):
        assert piece.ordinal == ordinal
        assert position <= piece.start < piece.end <= len(text)
        assert not text[piece.start].isspace()
        assert not text[piece.end - 1].isspace()
        assert piece.end - piece.start <= MAX_CHARS
        assert piece.token_count == count <= tokenizer.max_tokens
        assert piece.input_hash == hashlib.sha256(source.encode()).digest()
        covered[piece.start : piece.end] = b"\1" * (piece.end - piece.start)
        position = piece.end
    for block in parsed.blocks:
        uncovered = covered.find(0, block.start, block.end)
        while uncovered >= 0:
            assert text[uncovered].isspace()
            uncovered = covered.find(0, uncovered + 1, block.end)
