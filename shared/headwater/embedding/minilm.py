"""The embedding model all-MiniLM-L6-v2, run by onnxruntime on the CPU.

Both classes read the folder built by `headwater.embedding.export_minilm`. A vector depends on its text alone, not on
its batch: all computation is fp32, and padding is masked.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from headwater.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAME = "all-MiniLM-L6-v2"
DIM = 384
LANGUAGES = ["en"]  # trained on English; of other languages it knows loan words and names
MAX_TOKENS = 256  # sentence-transformers' max_seq_length for this model, [CLS] and [SEP] included
_CLS, _SEP = 101, 102
# Two of the longest texts, or twenty short ones. Above about 500 tokens the activations exceed the processor's caches
# and throughput falls; below about 200 the matrices are too small (`bench/embedder.py`).
BATCH_TOKENS = 512
# An encoding takes 200 times the memory of its text, so long texts are encoded in pieces, a group of pieces in
# parallel.
PIECE_CHARS = 25_000
GROUP_CHARS = 250_000
_SPACE = re.compile(r"[ \t\n\r]")


def _file(folder: Path, name: str) -> str:
    """Return a file's path; raises ConfigError with the command that builds it."""
    path = folder / name
    if not path.is_file():
        raise ConfigError(
            f"The model file {path} is missing. Run: python -m headwater.embedding.export_minilm {folder.parent}"
        )
    return str(path)


class MiniLMTokenizer:
    """The model's WordPiece tokenizer. Safe to share between threads."""

    max_tokens = MAX_TOKENS - 2

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(_file(folder, "tokenizer.json"))

    def starts(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's token starts, in characters; nothing is truncated.

        Starts never decrease. No token starts at white space. A word of more than 100 characters is one token; a
        character can be several (한 is three).
        """
        starts: list[list[int]] = [[] for _ in texts]
        for pieces in _group(_pieces(texts)):
            encodings = self._tokenizer.encode_batch([piece for _, _, piece in pieces], add_special_tokens=False)
            for (index, at, _), encoding in zip(pieces, encodings, strict=True):
                starts[index].extend([at + start for start, _ in encoding.offsets])
        return starts

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the model's input for each text: [CLS], at most `max_tokens` ids, [SEP]."""
        # Truncated here: the tokenizer's own truncation is shared state, which would affect `starts` in other threads.
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [[_CLS, *encoding.ids[: self.max_tokens], _SEP] for encoding in encodings]


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


def length_batches(lengths: Sequence[int], max_tokens: int = BATCH_TOKENS) -> list[list[int]]:
    """Batch texts of similar length to minimise padding; returns lists of indexes, longest texts first.

    A batch has as many texts as fit `max_tokens` with each padded to the longest, and at least one:
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
    """Return the number of cores available to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class MiniLM:
    """The loaded model. Safe to share between threads, whose batches take turns."""

    name = NAME
    dim = DIM

    def __init__(self, folder: Path, *, threads: int | None = None) -> None:
        """Load the graph from `folder`; a batch uses `threads` threads, by default one for each core."""
        import onnxruntime

        onnxruntime.disable_telemetry_events()
        self.tokenizer = MiniLMTokenizer(folder)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or _cores()
        # An arena would keep memory for the largest batch; shapes vary too much for memory patterns.
        options.enable_cpu_mem_arena = False
        options.enable_mem_pattern = False
        # Idle threads sleep instead of spinning: the process also serves requests.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # The graph's operators are fused already.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        graph = _file(folder, "model.onnx")
        # A batch uses all threads, so batches of concurrent calls take turns; a question waits for one of each call.
        self._turns = ThreadPoolExecutor(1, thread_name_prefix="minilm")
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def embed_documents(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Embed texts: float32, n × 384, unit length, in their order. Texts are truncated to 256 tokens."""
        import numpy as np

        ids = self.tokenizer.ids(texts)
        vectors = np.empty((len(ids), DIM), np.float32)
        for batch in length_batches([len(row) for row in ids]):
            vectors[batch] = self._turns.submit(self._run, [ids[index] for index in batch]).result()
        return vectors

    def embed_query(self, text: str) -> "NDArray[np.float32]":
        """Embed a question: float32, 384. The model treats questions and documents alike."""
        vector: NDArray[np.float32] = self.embed_documents([text])[0]
        return vector

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
