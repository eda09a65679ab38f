"""Embedding models in folders as sentence-transformers exports them to ONNX: `EMBEDDING_MODEL=onnx:/path/of/folder`.

The folder may be in a bucket: `onnx:gs://…`, `onnx:s3://…` (`local.bucket`).

    config_sentence_transformers.json   prompts of questions and documents; optional
    modules.json                        Transformer, Pooling, Normalize; optional
    sentence_bert_config.json           max_seq_length; optional
    1_Pooling/config.json               how the vectors of the tokens become one: cls, mean, max or the last token's
    tokenizer.json                      with the special tokens
    onnx/model.onnx                     or model.onnx; weights in files of the same folder

Source: sentence-transformers, "Creating Custom Models", and the class `Pooling`. A graph that is quantized dynamically
has another vector for a text in another batch.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote

from headwater.embedding.local.batches import Batches, session_options
from headwater.embedding.local.bucket import SCHEMES, bucket_folder
from headwater.embedding.local.tokenizer_file import FileTokenizer
from headwater.errors import ConfigError, SystemicError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PREFIX = "onnx:"
MAX_TOKENS = 512
"""Of a model that states no maximum."""

_MODULES = {"Transformer", "Pooling", "Normalize"}
_SURROGATE = re.compile("[\ud800-\udfff]")

Pooling = Literal["cls", "mean", "max", "last"]
_POOLING: dict[str, Pooling] = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_lasttoken": "last",
}


class Folder:
    """The settings in a folder. Raises ConfigError with the file and the reason if it is no model that we can run."""

    def __init__(self, name: str) -> None:
        location = name.removeprefix(PREFIX)
        self._bucket = bucket_folder(location) if location.startswith(SCHEMES) else None
        self.path = self._bucket.path if self._bucket else Path(unquote(location.removeprefix("file://")))
        self.location = location
        pooling = self._read("1_Pooling/config.json", required=True)
        modes = [mode for key, mode in _POOLING.items() if pooling.get(key) is True]
        others = [key for key, on in pooling.items() if key.startswith("pooling_mode_") and on is True]
        if len(modes) != 1 or len(others) != 1:
            raise self._error("1_Pooling/config.json", f"needs one of {', '.join(_POOLING)}")
        self.pooling = modes[0]
        self.dim = self._whole(pooling.get("word_embedding_dimension"), "1_Pooling/config.json")
        limit = self._read("sentence_bert_config.json").get("max_seq_length")
        self.max_tokens = MAX_TOKENS if limit is None else self._whole(limit, "sentence_bert_config.json")
        prompts = self._read("config_sentence_transformers.json").get("prompts") or {}
        self.query_prompt = str(prompts.get("query", ""))
        self.document_prompt = str(prompts.get("document", prompts.get("passage", "")))
        self._check_modules()

    def file(self, *names: str) -> Path:
        """Return the first of the files that exists."""
        for name in names:
            if self._has(name):
                return self.path / name
        raise self._error(names[0], "is missing")

    def _has(self, name: str) -> bool:
        return self._bucket.fetch(name) if self._bucket else (self.path / name).is_file()

    def _check_modules(self) -> None:
        modules: Any = self._read("modules.json", empty=[])
        kinds = [str(module.get("type", "")).rpartition(".")[2] for module in modules if isinstance(module, dict)]
        if unknown := [kind for kind in kinds if kind not in _MODULES]:
            raise self._error(
                "modules.json", f"has the module {unknown[0]!r}; {', '.join(sorted(_MODULES))} can be run"
            )

    def _read(self, name: str, *, required: bool = False, empty: Any = None) -> Any:
        empty = {} if empty is None else empty
        if not required and not self._has(name):
            return empty
        try:
            content = json.loads(self.file(name).read_bytes())
        except ValueError:
            raise self._error(name, "is not JSON") from None
        if not isinstance(content, type(empty)):
            raise self._error(name, f"is not a JSON {'array' if empty == [] else 'object'}")
        return content

    def _whole(self, value: object, name: str) -> int:
        if not isinstance(value, int) or not 2 < value <= 32_768:
            raise self._error(name, f"has an invalid number: {value!r}")
        return value

    def _error(self, name: str, reason: str) -> ConfigError:
        return ConfigError(f"The model folder {self.location} can't be used: {name} {reason}.")


class FolderTokenizer:
    """A folder's tokenizer. Safe to share between threads."""

    def __init__(self, folder: Folder) -> None:
        from tokenizers import Tokenizer

        path = folder.file("tokenizer.json")
        try:
            self._counting = FileTokenizer(path)
            self._encoding = Tokenizer.from_file(str(path))
        except Exception as error:
            raise ConfigError(
                f"The model folder {folder.location} can't be used: tokenizer.json is invalid."
            ) from error
        self._encoding.no_padding()
        self._encoding.enable_truncation(folder.max_tokens)
        prompts = [folder.query_prompt, folder.document_prompt]
        special = self._encoding.num_special_tokens_to_add(is_pair=False)
        self.max_tokens = folder.max_tokens - special - max(map(len, self._counting.starts(prompts)))
        if self.max_tokens < 1:
            raise ConfigError(
                f"The model folder {folder.location} can't be used: its prompts leave no room for a text."
            )

    def starts(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's token starts, in characters; nothing is truncated."""
        return self._counting.starts([_SURROGATE.sub("\ufffd", text) for text in texts])

    def inputs(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's token ids with the special tokens, truncated."""
        clean = [_SURROGATE.sub("\ufffd", text) for text in texts]
        return [encoding.ids for encoding in self._encoding.encode_batch(clean)]


class FolderEmbedder:
    """A model in a folder. Safe to share between threads."""

    def __init__(self, name: str, *, threads: int | None = None) -> None:
        import onnxruntime

        self.name = name
        self._folder = Folder(name)
        self.dim = self._folder.dim
        self.tokenizer = FolderTokenizer(self._folder)
        graph = self._folder.file("onnx/model.onnx", "model.onnx")
        try:
            self._session = onnxruntime.InferenceSession(graph, session_options(), providers=["CPUExecutionProvider"])
        except Exception as error:
            raise self._error("onnxruntime can't load it") from error
        self._inputs = {value.name: value.type for value in self._session.get_inputs()}
        if (
            not {"input_ids", "attention_mask"}
            <= set(self._inputs)
            <= {
                "input_ids",
                "attention_mask",
                "token_type_ids",
                "position_ids",
            }
        ):
            raise self._error(f"its inputs are {', '.join(self._inputs)}")
        self._batches = Batches(self._run, self.dim, threads)

    def embed_documents(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Embed texts: float32, n × dim, unit length, in their order. Long texts are truncated."""
        return self._embed(texts, self._folder.document_prompt)

    def embed_queries(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Embed questions: float32, n × dim, in their order."""
        return self._embed(texts, self._folder.query_prompt)

    def embed_query(self, text: str) -> "NDArray[np.float32]":
        """Embed a question: float32, dim."""
        vector: NDArray[np.float32] = self.embed_queries([text])[0]
        return vector

    def _embed(self, texts: Sequence[str], prompt: str) -> "NDArray[np.float32]":
        return self._batches.embed(self.tokenizer.inputs([prompt + text for text in texts]))

    def _run(self, ids: list[list[int]]) -> "NDArray[np.float32]":
        """Run one batch, padded on the right to its longest text."""
        import numpy as np

        lengths = np.array([max(len(row), 1) for row in ids])
        mask = np.arange(lengths.max()) < lengths[:, None]
        values = {
            "input_ids": np.array([[*row, *[0] * (lengths.max() - len(row))] for row in ids]),
            "attention_mask": mask,
            "token_type_ids": np.zeros(mask.shape),
            "position_ids": np.broadcast_to(np.arange(mask.shape[1]), mask.shape),
        }
        kinds = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
        inputs = {name: values[name].astype(kinds.get(kind, np.int64)) for name, kind in self._inputs.items()}
        try:
            output = self._session.run(None, inputs)[0]
        except Exception as error:
            raise SystemicError(f"{self.name} can't embed a text. Check the model's folder.") from error
        vectors = self._pool(output, mask, lengths) if output.ndim == 3 else output
        norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
        if vectors.shape != (len(ids), self.dim) or not np.isfinite(norms).all() or not norms.all():
            raise SystemicError(
                f"{self.name} returned no vectors of the length {self.dim}, but {output.shape}. Check the folder."
            )
        unit: NDArray[np.float32] = (vectors / norms).astype(np.float32)
        return unit

    def _pool(self, tokens: Any, mask: Any, lengths: Any) -> Any:
        """Make one vector of those of the tokens: texts × tokens × dim."""
        import numpy as np

        match self._folder.pooling:
            case "cls":
                return tokens[:, 0]
            case "last":
                return tokens[np.arange(len(lengths)), lengths - 1]
            case "max":
                return np.where(mask[..., None], tokens, -np.inf).max(axis=1)
            case "mean":
                return (tokens * mask[..., None]).sum(axis=1)  # normalization cancels the division

    def _error(self, reason: str) -> ConfigError:
        return ConfigError(f"The model folder {self._folder.location} can't be used: model.onnx: {reason}.")
