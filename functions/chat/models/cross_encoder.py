"""A cross-encoder in ONNX from a folder: scores a query with each text in one model.

The folder has `tokenizer.json`, and `model.onnx` or `onnx/model.onnx`, as sentence-transformers exports them.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from headwater.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_TOKENS = 512
BATCH = 8
"""Texts that are scored at once. The time is checked between batches."""


class CrossEncoder:
    """A cross-encoder. Raises ConfigError if the folder has none that can be used."""

    def __init__(self, folder: Path) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        models = [path for path in (folder / "model.onnx", folder / "onnx" / "model.onnx") if path.is_file()]
        tokenizer = folder / "tokenizer.json"
        if not models or not tokenizer.is_file():
            raise ConfigError(f"RERANKER: {folder} has no model.onnx or no tokenizer.json.")
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.enable_truncation(MAX_TOKENS, strategy="longest_first")
        self._tokenizer.enable_padding()
        options = onnxruntime.SessionOptions()
        options.enable_cpu_mem_arena = False
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(str(models[0]), options, providers=["CPUExecutionProvider"])
        self._inputs = {node.name for node in self._session.get_inputs()}
        if unknown := self._inputs - {"input_ids", "attention_mask", "token_type_ids"}:
            raise ConfigError(f"RERANKER: {models[0]} has the unknown inputs {', '.join(sorted(unknown))}.")

    def score(self, query: str, texts: Sequence[str], timeout_s: float) -> Sequence[float]:
        """Return a score from 0 to 1 for each text. Raises TimeoutError between two batches."""
        import numpy as np

        until = time.monotonic() + timeout_s
        scores = np.zeros(len(texts))
        by_length = sorted(range(len(texts)), key=lambda n: len(texts[n]))
        for start in range(0, len(texts), BATCH):
            if time.monotonic() > until:
                raise TimeoutError
            places = by_length[start : start + BATCH]
            scores[places] = self._probabilities(query, [texts[n] for n in places])
        return scores.tolist()

    def _probabilities(self, query: str, texts: Sequence[str]) -> "NDArray[np.float64]":
        """Return the sigmoid of the logits: of the only label, or of the last less the first of two."""
        import numpy as np

        encodings = self._tokenizer.encode_batch([(query, text) for text in texts])
        values = {
            "input_ids": [encoding.ids for encoding in encodings],
            "attention_mask": [encoding.attention_mask for encoding in encodings],
            "token_type_ids": [encoding.type_ids for encoding in encodings],
        }
        feeds = {name: np.array(rows, np.int64) for name, rows in values.items() if name in self._inputs}
        logits = np.asarray(self._session.run(None, feeds)[0], np.float64).reshape(len(texts), -1)
        logit = logits[:, -1] - (logits[:, 0] if logits.shape[1] > 1 else 0.0)
        return 1 / (1 + np.exp(-np.clip(logit, -500, 500)))
