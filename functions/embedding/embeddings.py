"""`POST /v1/embeddings`, compatible with OpenAI's API, so that its clients work unmodified.

Source of the request and response: https://platform.openai.com/docs/api-reference/embeddings/create.
"""

import base64
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import msgspec

from headwater import tracing
from headwater.embedding.base import Embedder
from headwater.embedding.hosted.providers import is_hosted
from headwater.errors import BadRequest, NotFound, UnprocessableContent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_INPUTS = 2048
"""Texts of a request; OpenAI's limit."""

MAX_TOKENS = 32_768
"""Tokens of a request, for a model that runs in this process: about six seconds of CPU time."""

MAX_HOSTED_TOKENS = 300_000
"""Tokens of a request, for a hosted model; OpenAI's limit."""

COUNTED_CHARS = 8_192
"""Characters whose tokens are counted at a time: between them, counting stops at the limits."""


class EmbeddingsRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Texts to embed. OpenAI's API also accepts token ids as `input`; they are rejected with 422."""

    model: str
    input: str | list[str | int | list[int]]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None
    user: str | None = None


class Embedding(msgspec.Struct, frozen=True, kw_only=True):
    """One vector: numbers, or little-endian float32 in base64. `index` is the position of its input."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class Usage(msgspec.Struct, frozen=True):
    """Number of tokens in all inputs."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The vectors, in the order of the inputs."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: Usage


def create_embeddings(request: EmbeddingsRequest, embedder: Embedder) -> EmbeddingsResponse:
    """Embed the inputs of a request. Nothing is truncated.

    Raises NotFound for another model than the embedder's, BadRequest for inputs that are empty, too many or too long,
    each or together, and for other dimensions, UnprocessableContent for token ids.
    """
    if request.model != embedder.name:
        raise NotFound(f"Model not found: {request.model!r}. This installation has {embedder.name!r}.")
    if request.dimensions not in {None, embedder.dim}:
        raise BadRequest(f"dimensions: {embedder.name} has {embedder.dim} dimensions, not {request.dimensions}.")
    texts = _texts(request.input)
    counts = _token_counts(texts, embedder)
    with tracing.embedding_span(embedder.name, len(texts)):
        vectors = embedder.embed_documents(texts)
    encode = _as_base64 if request.encoding_format == "base64" else _as_numbers
    return EmbeddingsResponse(
        data=[Embedding(index=index, embedding=encode(vector)) for index, vector in enumerate(vectors)],
        model=embedder.name,
        usage=Usage(prompt_tokens=sum(counts), total_tokens=sum(counts)),
    )


def _texts(request_input: str | Sequence[str | int | list[int]]) -> list[str]:
    """Return the inputs as a list of texts. Raises an error that names the first invalid input."""
    inputs = [request_input] if isinstance(request_input, str) else request_input
    if not 1 <= len(inputs) <= MAX_INPUTS:
        raise BadRequest(f"input: send 1 to {MAX_INPUTS} texts, not {len(inputs)}.")
    texts = []
    for index, text in enumerate(inputs):
        if not isinstance(text, str):
            raise UnprocessableContent(
                f"input[{index}]: send text instead of token ids, which depend on the client's tokenizer. "
                "In LangChain, use OpenAIEmbeddings(check_embedding_ctx_length=False)."
            )
        if not text:
            raise BadRequest(f"input[{index}]: the text is empty.")
        texts.append(text)
    return texts


def _token_counts(texts: Sequence[str], embedder: Embedder) -> list[int]:
    """Count each text's tokens. Raises BadRequest if a text is longer than the model accepts, or all together.

    Counting stops there, so a request that is refused costs little. In a text of more than `COUNTED_CHARS`, a word that
    is cut may count one token more.
    """
    limit = embedder.tokenizer.max_tokens
    maximum = MAX_HOSTED_TOKENS if is_hosted(embedder.name) else MAX_TOKENS
    counts = [0] * len(texts)
    for group in _groups(texts):
        found = embedder.tokenizer.starts([piece for _, piece in group])
        for (index, _), starts in zip(group, found, strict=True):
            counts[index] += len(starts)
            if counts[index] > limit:
                raise BadRequest(
                    f"input[{index}]: the text has more than {limit} tokens, the maximum of {embedder.name}."
                )
        if sum(counts) > maximum:
            raise BadRequest(
                f"input: the texts have more than {maximum} tokens together, the maximum of a request. Send them in "
                f"several requests. In LangChain, use OpenAIEmbeddings(chunk_size={maximum // limit})."
            )
    return counts


def _groups(texts: Sequence[str]) -> Iterator[list[tuple[int, str]]]:
    """Yield groups of pieces with the indexes of their texts, each group of at most COUNTED_CHARS together."""
    group: list[tuple[int, str]] = []
    chars = 0
    for index, text in enumerate(texts):
        for start in range(0, len(text), COUNTED_CHARS):
            piece = text[start : start + COUNTED_CHARS]
            if chars + len(piece) > COUNTED_CHARS:
                yield group
                group, chars = [], 0
            group.append((index, piece))
            chars += len(piece)
    if group:
        yield group


def _as_numbers(vector: "NDArray[np.float32]") -> list[float]:
    numbers: list[float] = vector.tolist()
    return numbers


def _as_base64(vector: "NDArray[np.float32]") -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()
