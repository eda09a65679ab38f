"""all-MiniLM-L6-v2 on the CPU, run by onnxruntime.

`headwater.embedding.export_minilm` builds the folder that both classes read. A vector depends on its text alone, not on
the batch it was computed in: everything is fp32, and padding is masked out.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from headwater.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAME = "all-MiniLM-L6-v2"
DIM = 384
MAX_TOKENS = 256  # sentence-transformers' max_seq_length for this model, [CLS] and [SEP] included
_CLS, _SEP = 101, 102
# Two of the longest texts, twenty short ones: beyond some 500 tokens the activations outgrow the processor's caches
# and throughput falls, below some 200 the matrices are too small to keep it busy (`bench/embedder.py`).
BATCH_TOKENS = 512
# An encoding takes 200 times the memory of its text, so that of a long text isn't made in one piece; those of a group
# are made in parallel.
PIECE_CHARS = 25_000
GROUP_CHARS = 250_000
_SPACE = re.compile(r"[ \t\n\r]")


def _file(folder: Path, name: str) -> str:
    """Return a file's path; raises ConfigError with the command that makes it."""
    path = folder / name
    if not path.is_file():
        raise ConfigError(
            f"{path} is missing: the model is not built. "
            f"Run: python -m headwater.embedding.export_minilm {folder.parent}"
        )
    return str(path)


class MiniLMTokenizer:
    """WordPiece as the model was trained with; safe to use from several threads."""

    max_tokens = MAX_TOKENS - 2

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(_file(folder, "tokenizer.json"))

    def starts(self, texts: Sequence[str]) -> list[list[int]]:
        """Find where each token starts in the text as given, in characters; nothing is cut off.

        Starts never fall. No token starts at white space; a word of more than 100 characters is one, a character can be
        several (한 is three).
        """
        found: list[list[int]] = [[] for _ in texts]
        for pieces in _grouped(_pieces(texts)):
            encodings = self._tokenizer.encode_batch([piece for _, _, piece in pieces], add_special_tokens=False)
            for (index, at, _), encoding in zip(pieces, encodings, strict=True):
                found[index].extend([at + start for start, _ in encoding.offsets])
        return found

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Turn texts into what the model reads: [CLS], at most `max_tokens` ids, [SEP]."""
        # Cut here and not by the tokenizer: its truncation is a state that `starts` on another thread would meet.
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [[_CLS, *encoding.ids[: self.max_tokens], _SEP] for encoding in encodings]


def _pieces(texts: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """Cut long texts at space, where no token goes on; only a word that is endless is cut anywhere.

    Yields the text's index, where in it the piece starts, and the piece.
    """
    for index, text in enumerate(texts):
        start = 0
        while len(text) - start > 2 * PIECE_CHARS:
            space = _SPACE.search(text, start + PIECE_CHARS, start + 2 * PIECE_CHARS)
            end = space.start() if space else start + PIECE_CHARS
            yield index, start, text[start:end]
            start = end
        yield index, start, text[start:]


def _grouped(pieces: Iterable[tuple[int, int, str]]) -> Iterator[list[tuple[int, int, str]]]:
    """Group pieces for one call each of the tokenizer, which takes those of a call in parallel."""
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


def length_batches(lengths: Sequence[int], max_tokens: int = BATCH_TOKENS) -> list[list[int]]:
    """Group texts of similar length: lists of indexes, the longest first, so that hardly anything is padding.

    A batch holds as many texts as fit `max_tokens` when each is padded to the batch's longest, and at least one:
    `length_batches([2, 9, 3, 8], max_tokens=18) == [[1, 3], [2, 0]]`.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batches and lengths[batches[-1][0]] * (len(batches[-1]) + 1) <= max_tokens:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def _cores() -> int:
    """Count the cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class MiniLM:
    """The loaded model; safe to use from several threads, which then share its `threads`."""

    name = NAME
    dim = DIM

    def __init__(self, folder: Path, *, threads: int | None = None) -> None:
        """Load the graph from `folder`; `threads` work on one batch, by default one for each core."""
        import onnxruntime

        onnxruntime.disable_telemetry_events()
        self.tokenizer = MiniLMTokenizer(folder)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or _cores()
        # An arena keeps the largest batch ever seen, and shapes differ too much for a memory pattern to repeat.
        options.enable_cpu_mem_arena = False
        options.enable_mem_pattern = False
        # Idle threads sleep: the process that embeds also answers requests.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Nothing is left to be fused.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        graph = _file(folder, "model.onnx")
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def embed_documents(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Embed texts: float32, n × 384, unit length, in their order; what exceeds 256 tokens is cut off."""
        import numpy as np

        ids = self.tokenizer.ids(texts)
        vectors = np.empty((len(ids), DIM), np.float32)
        for batch in length_batches([len(row) for row in ids]):
            vectors[batch] = self._run([ids[index] for index in batch])
        return vectors

    def embed_query(self, text: str) -> "NDArray[np.float32]":
        """Embed a question: float32, 384; this model knows no difference between questions and documents."""
        vector: NDArray[np.float32] = self.embed_documents([text])[0]
        return vector

    def _run(self, ids: list[list[int]]) -> "NDArray[np.float32]":
        """Run one batch, padded on the right to its longest."""
        import numpy as np

        lengths = np.array([len(row) for row in ids])
        mask = np.arange(lengths.max()) < lengths[:, None]
        padded = np.zeros(mask.shape, np.int32)
        padded[mask] = np.concatenate(ids)
        inputs = {"input_ids": padded, "attention_mask": mask.astype(np.int32)}
        vectors: NDArray[np.float32] = self._session.run(["embedding"], inputs)[0]
        return vectors
