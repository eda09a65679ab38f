"""Protocols of tokenizers and embedding models, and the text that is embedded for a chunk.

Importing this module loads neither numpy nor onnxruntime.
"""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Tokenizer(Protocol):
    """Counts and locates tokens as the model of the same name does."""

    max_tokens: int
    """Tokens of a text that the model reads, special tokens excluded."""

    def starts(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's token starts, in characters; without special tokens or truncation."""
        ...


class Embedder(Protocol):
    """Turns texts into vectors of unit length, so that the dot product of two vectors is their cosine."""

    name: str

    @property
    def dim(self) -> int:
        """The length of the vectors."""
        ...

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's own tokenizer."""
        ...

    def embed_documents(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Embed texts: float32, n × dim, in their order."""
        ...

    def embed_queries(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Embed questions: float32, n × dim, in their order."""
        ...

    def embed_query(self, text: str) -> "NDArray[np.float32]":
        """Embed a question: float32, dim."""
        ...


def embedding_input(title: str, heading_path: Sequence[str], text: str, about: str = "") -> str:
    r"""Compose the text that is embedded for a chunk: a context line, a line about the document, the chunk's text.

    The context line is the document's title and the chunk's headings. A title equal to the first heading appears once;
    a chunk without title and headings has no context line. White space in the context line is collapsed; the chunk's
    text is unchanged. Only the first chunk has the line about the document, if its front matter has one.

    `embedding_input("Guide", ["Guide", "Install"], "Run pip.") == "Guide > Install\nRun pip."`
    """
    return input_with_context(CONTEXT_SEPARATOR.join(context_parts(title, heading_path)), text, about)


def input_with_context(context: str, text: str, about: str = "") -> str:
    """Compose an `embedding_input` of its context line."""
    return "\n".join([line for line in (context, about) if line] + [text])


CONTEXT_SEPARATOR = " > "


def context_parts(title: str, heading_path: Sequence[str]) -> list[str]:
    """Return the parts of the context line of `embedding_input`."""
    parts = list(filter(None, [" ".join(words.split()) for words in (title, *heading_path)]))
    if title and len(parts) > 1 and parts[0].casefold() == parts[1].casefold():
        del parts[0]
    return parts


def input_hash(embedding_input: str) -> bytes:
    """Return the SHA-256 of an embedding input in UTF-8, 32 bytes. Equal inputs share one vector."""
    return hashlib.sha256(embedding_input.encode()).digest()
