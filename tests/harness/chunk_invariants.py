"""What is promised of every page's chunks, whichever model they are for."""

import hashlib

from functions.collection.chunking.chunk import Chunk
from functions.collection.chunking.split import MAX_CHARS
from functions.collection.parsers.parse import ParsedDocument
from headwater.embedding.base import Tokenizer, embedding_input


def check_chunks(parsed: ParsedDocument, chunks: list[Chunk], tokenizer: Tokenizer) -> None:
    """Assert that chunks are in order, fit the model, tell the truth of themselves, and leave no block out."""
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
        left_out = covered.find(0, block.start, block.end)
        while left_out >= 0:
            assert text[left_out].isspace()
            left_out = covered.find(0, left_out + 1, block.end)
