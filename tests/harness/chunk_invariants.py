"""Invariants of every page's chunks, for any model."""

import hashlib

from functions.collection.chunking.chunk import Chunk
from functions.collection.chunking.split import MAX_CHARS
from functions.collection.parsers.markdown.markup import blank
from functions.collection.parsers.parse import ParsedDocument
from headwater.embedding.base import Tokenizer, embedding_input
from headwater.passages import about, excerpt
from headwater.words.analysis import find_emoji


def check_chunks(parsed: ParsedDocument, chunks: list[Chunk], tokenizer: Tokenizer) -> None:
    """Assert that chunks are in order, fit the model, have the right counts and hashes, and cover every word."""
    text = parsed.text
    inputs = [
        embedding_input(
            parsed.title,
            piece.heading_path,
            excerpt(
                text[piece.start : piece.end],
                piece.markup,
                text[slice(*piece.table_header)] if piece.table_header else None,
            ),
            about(parsed.front_matter) if piece.ordinal == 0 else "",
        )
        for piece in chunks
    ]
    visible = blank(text, parsed.markup)
    counts = [len(tokens) for tokens in tokenizer.starts(inputs)]
    covered = bytearray(len(text))
    position = 0
    for ordinal, (piece, source, count) in enumerate(zip(chunks, inputs, counts, strict=True)):
        assert piece.ordinal == ordinal
        assert position <= piece.start < piece.end <= len(text)
        assert not visible[piece.start].isspace()
        assert not visible[piece.end - 1].isspace()
        assert has_words(visible[piece.start : piece.end])
        assert piece.end - piece.start <= MAX_CHARS
        assert piece.token_count == count <= tokenizer.max_tokens
        assert piece.input_hash == hashlib.sha256(source.encode()).digest()
        covered[piece.start : piece.end] = b"\1" * (piece.end - piece.start)
        position = piece.end
    for block in parsed.blocks:
        uncovered = covered.find(0, block.start, block.end)
        while uncovered >= 0:
            assert not has_words(visible[uncovered])
            uncovered = covered.find(0, uncovered + 1, block.end)


def has_words(text: str) -> bool:
    """Return whether a text has a letter, a digit or an emoji."""
    return any(map(str.isalnum, text)) or bool(find_emoji(text))
