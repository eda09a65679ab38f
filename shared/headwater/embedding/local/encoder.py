"""Encoders: embedding models that onnxruntime runs on the CPU.

The folders are built by `headwater.embedding.export`. A vector depends on its text alone, not on its batch: padding is
masked, and the int8 models quantize by scales that are fixed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from headwater.embedding.local.batches import Batches, session_options
from headwater.embedding.local.tokenizer_file import FileTokenizer
from headwater.embedding.local.unigram import UnigramTokenizer
from headwater.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True)
class EncoderSpec:
    """What an encoder expects and returns. Its prefixes tell questions from documents."""

    name: str
    dim: int
    max_tokens: int
    """Tokens of an input, the special ones included; longer texts are truncated."""

    tokenizer: Literal["wordpiece", "unigram"]
    begin: int
    end: int
    """Ids of the tokens around each text."""

    tokens_per_s: int
    """Tokens that one core embeds per second, in texts of 190 tokens: about the size of chunks."""

    query_prefix: str = ""
    document_prefix: str = ""
    languages: Sequence[str] | None = None
    """The languages (ISO 639 codes) whose texts the model can compare; None for every language."""


class EncoderTokenizer:
    """An encoder's tokenizer. Safe to share between threads."""

    def __init__(self, spec: EncoderSpec, folder: Path) -> None:
        self._spec = spec
        self._tokenizer: FileTokenizer | UnigramTokenizer
        if spec.tokenizer == "unigram":
            self._tokenizer = UnigramTokenizer(find_file(folder, "vocabulary.marisa").parent)
        else:
            self._tokenizer = FileTokenizer(find_file(folder, "tokenizer.json"))
        self._room = spec.max_tokens - 2
        prefixes = {spec.query_prefix, spec.document_prefix}
        self.max_tokens = self._room - max(map(len, self._tokenizer.starts(list(prefixes))))

    def starts(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's token starts, in characters; nothing is truncated.

        Starts never decrease. No token starts at white space.
        """
        return self._tokenizer.starts([_replace_surrogates(text) for text in texts])

    def inputs(self, texts: Sequence[str], prefix: str = "") -> list[list[int]]:
        """Return the model's input for each text: the special tokens around as many of its tokens as fit."""
        ids = self._tokenizer.ids([prefix + _replace_surrogates(text) for text in texts], self._room)
        return [[self._spec.begin, *text_ids, self._spec.end] for text_ids in ids]


def _replace_surrogates(text: str) -> str:
    """Replace lone surrogates, which have no encoding, by replacement characters."""
    return _SURROGATE.sub("\ufffd", text)


def find_file(folder: Path, name: str) -> Path:
    """Return a file's path; raises ConfigError with the command that builds it."""
    path = folder / name
    if not path.is_file():
        raise ConfigError(
            f"The model file {path} is missing. Run: python -m headwater.embedding.export {folder.parent} {folder.name}"
        )
    return path


class Encoder:
    """A loaded model. Safe to share between threads."""

    def __init__(self, spec: EncoderSpec, folder: Path, *, threads: int | None = None) -> None:
        """Load the graph from `folder`; `threads` batches run at a time, by default one for each core."""
        import onnxruntime

        self.name, self.dim, self._spec = spec.name, spec.dim, spec
        self.tokenizer = EncoderTokenizer(spec, folder)
        options = session_options()
        # The graph's operators are fused already.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        graph = str(find_file(folder, "model.onnx"))
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._batches = Batches(self._run, self.dim, threads)

    def embed_documents(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Embed texts: float32, n × dim, unit length, in their order. Long texts are truncated."""
        return self._embed(texts, self._spec.document_prefix)

    def embed_queries(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Embed questions: float32, n × dim, in their order."""
        return self._embed(texts, self._spec.query_prefix)

    def embed_query(self, text: str) -> "NDArray[np.float32]":
        """Embed a question: float32, dim."""
        vector: NDArray[np.float32] = self.embed_queries([text])[0]
        return vector

    def _embed(self, texts: Sequence[str], prefix: str) -> "NDArray[np.float32]":
        return self._batches.embed(self.tokenizer.inputs(texts, prefix))

    def _run(self, ids: list[list[int]]) -> "NDArray[np.float32]":
        """Run one batch, padded on the right to its longest text."""
        import numpy as np

        lengths = np.array([len(row) for row in ids])
        mask = np.arange(lengths.max()) < lengths[:, None]
        padded = np.zeros(mask.shape, np.int32)
        padded[mask] = np.concatenate(ids)
        inputs = {"input_ids": padded, "attention_mask": mask.astype(np.int32)}
        vectors: NDArray[np.float32] = self._session.run(["embedding"], inputs)[0]
        return vectors
