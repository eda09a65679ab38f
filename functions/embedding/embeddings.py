"""`POST /v1/embeddings`: a request in OpenAI's shape flows in, its vectors flow out in OpenAI's shape.

Pure but for the embedder it is given, so that OpenAI's own clients and all that build on them work unmodified. The
shapes are those of OpenAI's API reference, https://platform.openai.com/docs/api-reference/embeddings/create.
"""

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import msgspec

from headwater.embedding.base import Embedder
from headwater.errors import BadRequest, NotFound, UnprocessableContent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_INPUTS = 2048
"""OpenAI's own limit."""


class EmbeddingsRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for; `input` is text or texts, although OpenAI's shape also allows tokens (refused, see below)."""

    model: str
    input: str | list[str | int | list[int]]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None
    user: str | None = None


class Embedding(msgspec.Struct, frozen=True, kw_only=True):
    """One vector: numbers, or base64 of little-endian float32; `index` is its input's."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class Usage(msgspec.Struct, frozen=True):
    """Tokens of all inputs together."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The vectors, in the order of the inputs."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: Usage


def create_embeddings(request: EmbeddingsRequest, embedder: Embedder) -> EmbeddingsResponse:
    """Embed the inputs of a request, exactly as they are.

    Refuses what can't be answered in full instead of cutting it: NotFound for another model than the embedder's,
    BadRequest for empty, too many or over-long inputs and other dimensions, UnprocessableContent for tokens.
    """
    if request.model != embedder.name:
        raise NotFound(f"The model {request.model!r} is not served here; this is {embedder.name}.")
    if request.dimensions not in {None, embedder.dim}:
        raise BadRequest(f"dimensions: {embedder.name} has {embedder.dim}, not {request.dimensions}.")
    texts = _texts(request.input)
    counts = _token_counts(texts, embedder)
    vectors = embedder.embed_documents(texts)
    encode = _as_base64 if request.encoding_format == "base64" else _as_numbers
    return EmbeddingsResponse(
        data=[Embedding(index=index, embedding=encode(vector)) for index, vector in enumerate(vectors)],
        model=embedder.name,
        usage=Usage(prompt_tokens=sum(counts), total_tokens=sum(counts)),
    )


def _texts(given: str | Sequence[str | int | list[int]]) -> list[str]:
    """Return the inputs as texts; raises an error that names the first one that isn't fit."""
    inputs = [given] if isinstance(given, str) else given
    if not 1 <= len(inputs) <= MAX_INPUTS:
        raise BadRequest(f"input: has {len(inputs)} texts; 1 to {MAX_INPUTS} are taken.")
    texts = []
    for index, text in enumerate(inputs):
        if not isinstance(text, str):
            raise UnprocessableContent(
                f"input[{index}]: tokens are not taken, since they depend on a client's tokenizer; send text. "
                "In LangChain: OpenAIEmbeddings(check_embedding_ctx_length=False)."
            )
        if not text:
            raise BadRequest(f"input[{index}]: is empty.")
        texts.append(text)
    return texts


def _token_counts(texts: Sequence[str], embedder: Embedder) -> list[int]:
    """Count each text's tokens; raises BadRequest for the first that the model would have to cut."""
    counts = [len(starts) for starts in embedder.tokenizer.starts(texts)]
    limit = embedder.tokenizer.max_tokens
    for index, count in enumerate(counts):
        if count > limit:
            raise BadRequest(f"input[{index}]: has {count} tokens; {embedder.name} takes at most {limit}.")
    return counts


def _as_numbers(vector: "NDArray[np.float32]") -> list[float]:
    numbers: list[float] = vector.tolist()
    return numbers


def _as_base64(vector: "NDArray[np.float32]") -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()
