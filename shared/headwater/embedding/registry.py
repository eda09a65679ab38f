"""The embedder: texts flow in, unit vectors flow out; and what exactly gets embedded.

Collection counts tokens with a `Tokenizer` while it chunks, embedding turns chunks into vectors, chat embeds questions.
Importing this loads neither numpy nor onnxruntime: `load_tokenizer` and `load_embedder` do, when they are called.
"""

import hashlib
import re
import threading
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from headwater import logs
from headwater.config import Settings
from headwater.embedding import minilm, openai
from headwater.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MODELS = {minilm.NAME: minilm.DIM, "constant": minilm.DIM}
"""The models that run in the process itself, each with the length of its vectors."""


class Tokenizer(Protocol):
    """Counts and locates tokens as the model of the same name would."""

    max_tokens: int
    """How many tokens of a text the model reads; its special tokens are already subtracted."""

    def starts(self, texts: Sequence[str]) -> list[list[int]]:
        """Find where each token of each text starts, in characters; no special tokens, nothing cut off."""
        ...


class Embedder(Protocol):
    """Turns texts into vectors of unit length, so that the dot product of two is their cosine."""

    name: str
    dim: int

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's own tokenizer."""
        ...

    def embed_documents(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Embed texts: float32, n × dim, in their order."""
        ...

    def embed_query(self, text: str) -> "NDArray[np.float32]":
        """Embed a question: float32, dim."""
        ...


def load_tokenizer(name: str, model_dir: Path) -> Tokenizer:
    """Load the tokenizer of a model; a twentieth of the model's own cost.

    A hosted model's texts are measured in words: none of them keeps a tokenizer where it could be had.
    Raises ConfigError when the name is unknown or the model has not been built in `model_dir`.
    """
    if openai.is_hosted(name):
        return WordTokenizer()
    _check(name)
    return WordTokenizer() if name == "constant" else minilm.MiniLMTokenizer(model_dir / name)


def load_embedder(name: str, model_dir: Path, *, threads: int | None = None) -> Embedder:
    """Load a model of this process; `threads` compute one batch, by default one for each core.

    Raises ConfigError when the name is unknown or the model has not been built in `model_dir`.
    """
    _check(name)
    return ConstantEmbedder() if name == "constant" else minilm.MiniLM(model_dir / name, threads=threads)


class Embedders:
    """The models of a process: each is loaded once, when it is first wanted; safe to ask from several threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._loaded: dict[str, Embedder] = {}

    def __call__(self, name: str) -> Embedder:
        """Return a model, loaded now if it wasn't yet; raises ConfigError when it isn't there."""
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = self._load(name)
            return self._loaded[name]

    def _load(self, name: str) -> Embedder:
        model_dir = self._settings.model_dir
        if openai.is_hosted(name):
            return openai.HostedEmbedder(name, self._settings, load_tokenizer(name, model_dir))
        return load_embedder(name, model_dir)

    def warm(self, name: str) -> None:
        """Begin to load a model on a thread, while the first request is still being read.

        Python waits for the thread before it ends: stopped inside onnxruntime, it would take the process down by
        `terminate`.
        """
        threading.Thread(target=self._warm, args=(name,), name="warm").start()

    def _warm(self, name: str) -> None:
        try:
            self(name)
        except ConfigError as error:  # whoever needs it meets the same error, and answers it
            logs.event("embedder.missing", severity=30, error=error)


def model_dim(name: str, settings: Settings) -> int:
    """Return the length of a model's vectors without loading it; raises ConfigError for an unknown name."""
    if openai.is_hosted(name):
        return openai.hosted_dim(name, settings)
    _check(name)
    return MODELS[name]


def _check(name: str) -> None:
    if name not in MODELS:
        raise ConfigError(
            f"The embedding model {name!r} is not known; expected one of: {', '.join(MODELS)}, openai:MODEL"
        )


def embedding_input(title: str, heading_path: Sequence[str], text: str) -> str:
    r"""Compose exactly what gets embedded of a chunk: a line that says where it stands, then its text.

    The line is the document's title and the headings above the chunk; a title that is also the first heading stands
    once, a chunk without either has no such line. White space in the line is made single, the text is left alone.

    `embedding_input("Guide", ["Guide", "Install"], "Run pip.") == "Guide > Install\nRun pip."`
    """
    path = [part for part in (" ".join(words.split()) for words in (title, *heading_path)) if part]
    if title and len(path) > 1 and path[0].casefold() == path[1].casefold():
        del path[0]
    return "\n".join([" > ".join(path), text] if path else [text])


def input_hash(embedding_input: str) -> bytes:
    """Hash what gets embedded: SHA-256 of its UTF-8, 32 bytes; equal inputs share one vector."""
    return hashlib.sha256(embedding_input.encode()).digest()


class WordTokenizer:
    """Punctuation, and words in pieces of up to eight letters: about as many as WordPiece finds in English and code."""

    max_tokens = 254
    _TOKEN = re.compile(r"(?:[^\W_]{1,8}|\S)\s*+")

    def starts(self, texts: Sequence[str]) -> list[list[int]]:
        """Find where each token of each text starts, in characters."""
        return [self._starts(text) for text in texts]

    def _starts(self, text: str) -> list[int]:
        """Add up the lengths of the tokens, each with the space after it: twice as fast as asking each where it is."""
        lengths = map(len, self._TOKEN.findall(text))
        starts = list(accumulate(lengths, initial=len(text) - len(text.lstrip())))
        return starts[:-1]


class ConstantEmbedder:
    """Vectors that mean nothing and cost the same for each text, to test and measure all that surrounds a model.

    A text's vector is drawn from its hash: equal texts have equal vectors, different ones stand nearly at a right angle
    (the cosine's standard deviation is 1/√384 = .05).
    """

    name = "constant"
    dim = minilm.DIM

    def __init__(self) -> None:
        self.tokenizer = WordTokenizer()

    def embed_documents(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Embed texts: float32, n × 384, unit length, in their order."""
        import numpy as np

        stream = b"".join(hashlib.shake_256(text.encode()).digest(self.dim) for text in texts)
        # Bytes centred on zero: no two hashes give the zero vector, which 127.5 is not a byte for.
        vectors = np.frombuffer(stream, np.uint8).reshape(-1, self.dim).astype(np.float32) - np.float32(127.5)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    def embed_query(self, text: str) -> "NDArray[np.float32]":
        """Embed a question: float32, 384; the same vector as the document of that text."""
        vector: NDArray[np.float32] = self.embed_documents([text])[0]
        return vector
