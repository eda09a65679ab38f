"""Hosted embedding models: batches within the provider's limits, several requests at once, checked unit vectors.

The client does not retry: the ledger retries steps. Each request is counted by `metering`.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import cached_property
from threading import BoundedSemaphore
from typing import TYPE_CHECKING

from headwater.config import Settings
from headwater.embedding.constant import WordTokenizer
from headwater.embedding.hosted.http import JsonClient, Names, no_vectors
from headwater.embedding.hosted.metering import count_request
from headwater.embedding.hosted.protocols import Batch, Embedded, Mode, Vector, prefix, vector_length
from headwater.embedding.hosted.providers import parse
from headwater.errors import ConfigError, HeadwaterError, PermanentError, SystemicError, UpstreamError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TEXT_BYTES = 400_000
_ANSWER_BYTES = 1_000_000
"""An answer may have this many bytes, and `_TEXT_BYTES` for each text: 16,000 numbers of 25 digits."""

MAX_KEPT_TEXTS = 1_024
"""Texts whose vectors are kept for another attempt: those of two embed steps. 100 MB with 3,072 numbers each."""

_BYTES_OF_TOKEN = 3
"""Of UTF-8, at least: in English a token has four, in Chinese three."""


def known_dim(name: str, settings: Settings) -> int | None:
    """Return the length of a model's vectors if it is set or known. Raises ConfigError for another kind of model."""
    hosted = parse(name)
    if hosted is None:
        raise ConfigError(f"{name!r} is not the name of a hosted model.")
    return hosted.dim or settings.embedding_dim or hosted.provider.dims.get(hosted.model)


class HostedEmbedder:
    """A hosted model. Raises UpstreamError for errors to retry, PermanentError for others. Safe between threads."""

    def __init__(self, name: str, settings: Settings) -> None:
        hosted = parse(name)
        if hosted is None:
            raise ConfigError(f"{name!r} is not the name of a hosted model.")
        self.name = name
        self.tokenizer = WordTokenizer()
        self._provider, self._model, _ = hosted
        self._provider.check(name, settings)
        self._settings = settings
        # All callers together send no more requests at once.
        self._turns = BoundedSemaphore(settings.embedding_concurrency)
        self._kept: dict[tuple[str, ...], Embedded] = {}
        self._dim = known_dim(name, settings)
        own = self._provider.dims.get(self._model)
        # Servers may reject the field for a model that can't shorten its vectors, so it is sent only where needed.
        self._asked_dim = hosted.dim or (self._dim if own and own != self._dim else None)
        self._names = Names(name, self._provider.key_setting, self._provider.url_setting)

    @property
    def dim(self) -> int:
        """The length of the vectors. Asks the provider for one if it is neither set nor known."""
        if self._dim is None:
            [vector] = self._request(["Self-test"], "document").vectors
            self._dim = self._length(vector)
        return self._dim

    def embed_documents(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Embed texts: float32, n × dim, unit length, in their order."""
        return self._embed(texts, "document")

    def embed_queries(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Embed questions: float32, n × dim, in their order."""
        return self._embed(texts, "query")

    def embed_query(self, text: str) -> "NDArray[np.float32]":
        """Embed a question: float32, dim."""
        vector: NDArray[np.float32] = self.embed_queries([text])[0]
        return vector

    @cached_property
    def _client(self) -> JsonClient:
        settings = self._settings
        return JsonClient(
            self._names, timeout_s=settings.embedding_timeout_s, connections=settings.embedding_concurrency
        )

    def _embed(self, texts: Sequence[str], mode: Mode) -> "NDArray[np.float32]":
        import numpy as np

        if not texts:
            return np.empty((0, self.dim), np.float32)
        answers = self._request_all(list(self._batches(texts)), mode)
        return self._unit_vectors([vector for answer in answers for vector in answer.vectors])

    def _request_all(self, batches: Sequence[Sequence[str]], mode: Mode) -> list[Embedded]:
        """Send the requests at once, as far as the limit allows. Raises the first one's error that fails.

        Answers beside a failed one are kept for the next attempt, which doesn't pay for them again.
        """
        if len(batches) == 1:
            return [self._request(batches[0], mode)]
        keys = [(mode, *batch) for batch in batches]
        known = {key: answer for key in keys if (answer := self._kept.pop(key, None))}
        with ThreadPoolExecutor(self._settings.embedding_concurrency, thread_name_prefix="embedding") as threads:
            sent = {
                key: threads.submit(copy_context().run, self._request, batch, mode)
                for key, batch in dict(zip(keys, batches, strict=True)).items()
                if key not in known
            }
            try:
                return [known[key] if key in known else sent[key].result() for key in keys]
            except HeadwaterError:
                for future in sent.values():
                    future.cancel()
                wait(sent.values())  # those that are being answered are charged
                answered = [key for key, future in sent.items() if not future.cancelled() and not future.exception()]
                self._keep({**known, **{key: sent[key].result() for key in answered}})
                raise

    def _keep(self, answers: Mapping[tuple[str, ...], Embedded]) -> None:
        """Keep answers for the next attempt, and forget the oldest beyond the limit."""
        self._kept.update(answers)
        texts = 0
        for key in reversed(list(self._kept)):
            texts += len(key) - 1  # without the mode
            if texts > MAX_KEPT_TEXTS:
                self._kept.pop(key, None)

    def _batches(self, texts: Sequence[str]) -> Iterator[Sequence[str]]:
        """Divide texts into requests within the provider's limits. A text of more tokens is alone."""
        limits = self._provider.limits_of(self._model)
        start = tokens = 0
        for index, count in enumerate(self._count_tokens(texts)):
            if index > start and (index - start == limits.texts or tokens + count > limits.tokens):
                yield texts[start:index]
                start, tokens = index, 0
            tokens += count
        yield texts[start:]

    def _count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Estimate the tokens of texts, rather too high."""
        counts = zip(self.tokenizer.starts(texts), texts, strict=True)
        return [max(len(starts), len(text.encode(errors="replace")) // _BYTES_OF_TOKEN) for starts, text in counts]

    def _request(self, texts: Sequence[str], mode: Mode) -> Embedded:
        """Send one request and count it."""
        start = prefix(self._model, mode)
        batch = Batch(self._model, [start + text for text in texts], mode, self._asked_dim)
        wire, settings = self._provider.wire, self._settings
        url = self._provider.url(settings).rstrip("/") + wire.path(self._model) + self._provider.query(settings)
        with self._turns:
            answer = self._client.post(
                url,
                self._provider.headers(settings),
                wire.body(batch),
                max_bytes=_ANSWER_BYTES + _TEXT_BYTES * len(texts),
            )
        try:
            embedded = wire.read(answer, batch)
        except PermanentError as error:
            raise PermanentError(f"{self.name}: {error.message}") from None
        except (AttributeError, KeyError, TypeError, ValueError, IndexError):
            raise no_vectors(self._names) from None
        count_request(sum(self._count_tokens(texts)) if embedded.tokens is None else embedded.tokens)
        if len(embedded.vectors) != len(texts):
            raise PermanentError(f"{self.name} returned {len(embedded.vectors)} vectors for {len(texts)} texts.")
        return embedded

    def _length(self, vector: Vector) -> int:
        try:
            return vector_length(vector)
        except (TypeError, ValueError):
            raise no_vectors(self._names) from None

    def _unit_vectors(self, found: Sequence[Vector]) -> "NDArray[np.float32]":
        """Return vectors as a matrix, scaled to unit length. Raises an error if they can't be used."""
        import numpy as np

        try:
            rows = [_numbers(row) for row in found]
            vectors: NDArray[np.float32] = np.array(rows, np.float32)
        except (TypeError, ValueError):
            raise PermanentError(f"{self.name} returned something other than vectors.") from None
        if self._dim is None and vectors.ndim == 2:
            self._dim = vectors.shape[1]
        if vectors.shape != (len(found), self._dim):
            expected = (len(found), self._dim)
            raise SystemicError(f"{self.name} returned {vectors.shape} numbers, not {expected}. Check EMBEDDING_DIM.")
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.isfinite(norms).all() or not norms.all():
            raise UpstreamError(f"{self.name} returned zero or non-finite vectors.")
        vectors /= norms
        return vectors


def _numbers(vector: Vector) -> "list[float] | NDArray[np.float32]":
    import numpy as np

    return np.frombuffer(base64.b64decode(vector, validate=True), "<f4") if isinstance(vector, str) else vector
