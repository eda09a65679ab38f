"""Providers' protocols: how a request for vectors is written, and how its answer is read.

Sources: the references of OpenAI ("Create embeddings", also spoken by Azure OpenAI, Mistral, vLLM and others), Google
("batchEmbedContents" of the Gemini API; "Text embeddings API" of Vertex AI), Cohere ("Embed API v2") and Ollama
("Generate embeddings").
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol
from urllib.parse import quote

from headwater.errors import PermanentError

Mode = Literal["query", "document"]
Vector = list[float] | str
"""Numbers, or little-endian float32 in base64."""


class Batch(NamedTuple):
    """What is asked for: the vectors of texts, for `mode`, of the length `dim` (None: the model's own)."""

    model: str
    texts: Sequence[str]
    mode: Mode
    dim: int | None


class Embedded(NamedTuple):
    """Vectors, in the order of the texts, and the number of tokens that are charged; None if the answer has none."""

    vectors: list[Vector]
    tokens: int | None


class Wire(Protocol):
    """A protocol. `read` raises KeyError, TypeError or ValueError for an answer of another form."""

    def path(self, model: str) -> str:
        """Return the path of requests, after the base URL."""
        ...

    def body(self, batch: Batch) -> Mapping[str, Any]:
        """Return the JSON of a request."""
        ...

    def read(self, answer: Any, batch: Batch) -> Embedded:
        """Read the JSON of an answer."""
        ...


class OpenAi:
    """OpenAI's protocol. `dimensions_field` names the field for the length of vectors."""

    def __init__(self, path: str = "/embeddings", dimensions_field: str = "dimensions", *, base64: bool = True) -> None:
        self._path = path
        self._dimensions_field = dimensions_field
        self._base64 = base64

    def path(self, model: str) -> str:
        return self._path.replace("{model}", quote(model, safe=""))

    def body(self, batch: Batch) -> Mapping[str, Any]:
        return {
            "model": batch.model,
            "input": list(batch.texts),
            **({"encoding_format": "base64"} if self._base64 else {}),
            **({self._dimensions_field: batch.dim} if batch.dim else {}),
        }

    def read(self, answer: Any, batch: Batch) -> Embedded:
        """Put the vectors in the order of their `index`, or leave them as they are if none has an index."""
        data = answer["data"]
        if not data:
            raise ValueError("no vectors")
        indexes = [item.get("index") for item in data]
        if len(batch.texts) == 1 or all(index is None for index in indexes):
            indexes = list(range(len(data)))
        if sorted(map(str, indexes)) != sorted(map(str, range(len(batch.texts)))):
            raise PermanentError("The provider returned vectors with missing or doubled indexes.")
        ordered: list[Vector] = [[] for _ in data]
        for index, item in zip(indexes, data, strict=True):
            ordered[int(index)] = item.get("embedding")
        return Embedded(ordered, _count(answer, "usage", "prompt_tokens"))


class Gemini:
    """The Gemini API: several texts a request."""

    def path(self, model: str) -> str:
        return f"/models/{quote(model, safe='')}:batchEmbedContents"

    def body(self, batch: Batch) -> Mapping[str, Any]:
        common = {"model": f"models/{batch.model}", **_gemini_options(batch)}
        return {"requests": [{**common, "content": {"parts": [{"text": text}]}} for text in batch.texts]}

    def read(self, answer: Any, batch: Batch) -> Embedded:  # noqa: ARG002 - the vectors are in the order of the texts
        vectors = [item.get("values") for item in answer["embeddings"]]
        return Embedded(vectors, _count(answer, "usageMetadata", "promptTokenCount"))


class Vertex:
    """Vertex AI: `predict`, or for the models since gemini-embedding-2 `embedContent`, which takes one text."""

    def path(self, model: str) -> str:
        method = "embedContent" if _takes_prefixes(model) else "predict"
        return f"/publishers/google/models/{quote(model, safe='@')}:{method}"

    def body(self, batch: Batch) -> Mapping[str, Any]:
        if _takes_prefixes(batch.model):
            (text,) = batch.texts
            return {"content": {"parts": [{"text": text}]}, **_gemini_options(batch)}
        return {
            "instances": [{"content": text, "task_type": _TASK_TYPES[batch.mode]} for text in batch.texts],
            "parameters": {
                "autoTruncate": False,
                **({"outputDimensionality": batch.dim} if batch.dim else {}),
            },
        }

    def read(self, answer: Any, batch: Batch) -> Embedded:
        if _takes_prefixes(batch.model):
            return Embedded([answer["embedding"]["values"]], _count(answer, "usageMetadata", "promptTokenCount"))
        found = [item["embeddings"] for item in answer["predictions"]]
        counts = [_count(item, "statistics", "token_count") for item in found]
        total = None if None in counts else sum(count or 0 for count in counts)
        return Embedded([item.get("values") for item in found], total)


class Cohere:
    """Cohere's Embed API, version 2."""

    def path(self, model: str) -> str:  # noqa: ARG002 - it is in the body
        return "/v2/embed"

    def body(self, batch: Batch) -> Mapping[str, Any]:
        return {
            "model": batch.model,
            "texts": list(batch.texts),
            "input_type": f"search_{batch.mode}",
            "embedding_types": ["float"],
            "truncate": "NONE",
            **({"output_dimension": batch.dim} if batch.dim else {}),
        }

    def read(self, answer: Any, batch: Batch) -> Embedded:  # noqa: ARG002 - the vectors are in the order of the texts
        return Embedded(answer["embeddings"]["float"], _count(answer.get("meta"), "billed_units", "input_tokens"))


class Ollama:
    """Ollama's own protocol: unlike its OpenAI-compatible one, it can refuse texts that are too long."""

    def path(self, model: str) -> str:  # noqa: ARG002 - it is in the body
        return "/api/embed"

    def body(self, batch: Batch) -> Mapping[str, Any]:
        return {
            "model": batch.model,
            "input": list(batch.texts),
            "truncate": False,
            **({"dimensions": batch.dim} if batch.dim else {}),
        }

    def read(self, answer: Any, batch: Batch) -> Embedded:  # noqa: ARG002 - the vectors are in the order of the texts
        return Embedded(answer["embeddings"], _count({"": answer}, "", "prompt_eval_count"))


_TASK_TYPES: Mapping[Mode, str] = {"query": "RETRIEVAL_QUERY", "document": "RETRIEVAL_DOCUMENT"}


def _gemini_options(batch: Batch) -> Mapping[str, Any]:
    task = {} if _takes_prefixes(batch.model) else {"taskType": _TASK_TYPES[batch.mode]}
    return {**task, **({"outputDimensionality": batch.dim} if batch.dim else {})}


def _takes_prefixes(model: str) -> bool:
    """Return True for Google's models that are told by a prefix what a text is for, instead of by a task type."""
    return model.startswith("gemini-embedding-") and not model.startswith("gemini-embedding-001")


def prefix(model: str, mode: Mode) -> str:
    """Return what a model wants before questions or documents; "" for models that are not known to want it.

    `model` is the name at the provider, such as `nomic-embed-text:v1.5`. Sources: the models' cards.
    """
    name = model.rpartition("/")[2].casefold()
    found = next((prefixes for start, prefixes in _PREFIXES if name.startswith(start)), ("", ""))
    return found[0 if mode == "query" else 1]


_GOOGLE = ("task: search result | query: ", "title: none | text: ")
_SENTENCE = ("Represent this sentence for searching relevant passages: ", "")
_PREFIXES = (
    ("gemini-embedding-001", ("", "")),
    ("gemini-embedding-", _GOOGLE),
    ("embeddinggemma", _GOOGLE),
    ("nomic-embed", ("search_query: ", "search_document: ")),
    ("multilingual-e5", ("query: ", "passage: ")),
    ("mxbai-embed", _SENTENCE),
    ("snowflake-arctic-embed2", ("query: ", "")),
    ("snowflake-arctic-embed", _SENTENCE),
    (
        "qwen3-embedding",
        ("Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:", ""),
    ),
)


def vector_length(vector: Vector) -> int:
    """Return how many numbers a vector has. Raises an error if it is none."""
    return len(base64.b64decode(vector, validate=True)) // 4 if isinstance(vector, str) else len(vector)


def _count(answer: Any, part: str, field: str) -> int | None:
    """Return a number of tokens in an answer; None if it has none."""
    count = (answer.get(part) or {}).get(field) if isinstance(answer, Mapping) else None
    return int(count) if isinstance(count, int | float) and 0 <= count < 1e12 else None
