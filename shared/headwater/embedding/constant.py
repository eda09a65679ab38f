"""A tokenizer and an embedder without a model: for tests, measurements, and to count a hosted model's tokens."""

import hashlib
import re
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAME = "constant"
DIM = 384


class WordTokenizer:
    """Splits text into punctuation and pieces of words, up to eight letters each.

    The number of tokens is close to WordPiece's for English and code.
    """

    max_tokens = 254
    _TOKEN = re.compile(r"(?:[^\W_]{1,8}|\S)\s*+")
    _ASCII_TOKEN = re.compile(r"(?:[0-9A-Za-z]{1,8}|[^\t-\r\x1c- ])[\t-\r\x1c- ]*+")  # the same, faster

    def starts(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's token starts, in characters."""
        return [self._starts(text) for text in texts]

    def _starts(self, text: str) -> list[int]:
        """Sum the tokens' lengths, trailing space included: twice as fast as reading each match's position."""
        pattern = self._ASCII_TOKEN if text.isascii() else self._TOKEN
        lengths = map(len, pattern.findall(text))
        starts = list(accumulate(lengths, initial=len(text) - len(text.lstrip())))
        return starts[:-1]


class ConstantEmbedder:
    """Pseudo-random vectors at constant cost, to test and measure everything around a model.

    A text's vector is derived from its hash: equal texts have equal vectors, different texts are nearly orthogonal
    (the cosine's standard deviation is 1/√384 = .05).
    """

    name = NAME
    dim = DIM

    def __init__(self) -> None:
        self.tokenizer = WordTokenizer()

    def embed_documents(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Embed texts: float32, n × 384, unit length, in their order."""
        import numpy as np

        stream = b"".join(hashlib.shake_256(text.encode()).digest(self.dim) for text in texts)
        # Centred on 127.5, which no byte equals: no hash can give the zero vector.
        vectors = np.frombuffer(stream, np.uint8).reshape(-1, self.dim).astype(np.float32) - np.float32(127.5)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    embed_queries = embed_documents

    def embed_query(self, text: str) -> "NDArray[np.float32]":
        """Embed a question: float32, 384; equal to the vector of a document with the same text."""
        vector: NDArray[np.float32] = self.embed_documents([text])[0]
        return vector
