"""The `embed` step: embed the chunks of a slice that have no vector, and store the vectors.

The vectors are of the model in the step's payload, which is being built, by default of the active model.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater import tracing
from headwater.database import arrays
from headwater.database.transactions import ALL_WORKSPACES, Database, NotReady, json_rows
from headwater.embedding.active_model import read_active_model
from headwater.embedding.base import Embedder, embedding_input
from headwater.embedding.hosted.recording import Recorder
from headwater.embedding.scales import Scale, measure_scales, store_scales, unmeasured_languages
from headwater.errors import PermanentError, SystemicError, UpstreamError
from headwater.passages import about, excerpt
from headwater.queue.ledger import NewStep, Step
from headwater.queue.worker import StepResult
from headwater.usage.record import Payer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


MAX_FAILURES = 2
"""Failures of the provider with the same texts before another text is tried."""

MAX_PARTS = 8
"""Steps that a step with a refused text is divided into, until that text is alone."""


@dataclass(frozen=True)
class Slice:
    """The texts to embed, and their hashes, by which vectors are stored. `place` names a single text for readers."""

    workspace_id: uuid.UUID
    model_id: int
    model: str
    hashes: Sequence[bytes]
    texts: Sequence[str]
    place: str
    attempt: int
    """The number of earlier failures of the step."""

    unmeasured: Sequence[str] = ()
    """Languages of the texts in which the model's similarities are not measured yet."""


@dataclass(frozen=True)
class Vectors:
    """The vectors of a slice: float32, n × dim, one row per hash. None for an empty slice."""

    model_id: int
    hashes: Sequence[bytes]
    vectors: "NDArray[np.float32] | None"
    scales: Mapping[str, Scale | None] = field(default_factory=dict)


class Embed:
    """Handler of `embed` steps. `embedder(model)` returns a model's embedder and loads it on first use.

    `recorder` stores what hosted models charge.
    """

    def __init__(self, embedder: Callable[[str], Embedder], recorder: Recorder) -> None:
        self.embedder = embedder
        self.recorder = recorder

    def gather(self, tx: Connection, step: Step) -> Slice:
        """Read the texts of the slice's chunks that have no vector of the model."""
        model, chunks = _read_missing(tx, step)
        if not chunks:
            return Slice(step.workspace_id, 0, "", [], [], "", step.attempt)
        ids = json_rows(list({chunk.document_id for chunk in chunks}))
        documents = {row.id: row for row in tx.execute(_DOCUMENTS, {"ids": ids})}
        languages = {document.language for document in documents.values()}
        return Slice(
            step.workspace_id,
            model.model_id,
            model.model,
            [chunk.input_hash for chunk in chunks],
            [_input(chunk, documents[chunk.document_id]) for chunk in chunks],
            _place(chunks[0], documents[chunks[0].document_id]) if len(chunks) == 1 else "",
            step.attempt,
            unmeasured_languages(tx, model.model_id, model.model, languages),
        )

    def compute(self, gathered: Slice) -> Vectors:
        """Measure new languages, and embed the texts. If the only one is refused, the error names its document.

        Some servers fail at a text instead of refusing it. If they fail repeatedly, but embed another text, these texts
        are refused.
        """
        if not gathered.texts:
            return Vectors(gathered.model_id, gathered.hashes, None)
        with self.recorder.recording(Payer(gathered.workspace_id), gathered.model):
            return self._embed(gathered)

    def _embed(self, gathered: Slice) -> Vectors:
        embedder = self.embedder(gathered.model)
        scales = _measure(embedder, gathered)
        try:
            with tracing.embedding_span(gathered.model, len(gathered.texts)):
                vectors = embedder.embed_documents(gathered.texts)
        except SystemicError:
            raise
        except PermanentError as error:
            raise _refusal(gathered, error.message) from None
        except UpstreamError as error:
            if gathered.attempt < MAX_FAILURES or error.retry_after_s is not None or not _works(embedder):
                raise
            raise _refusal(gathered, f"{error.message} It embeds other texts. Change or exclude this one.") from None
        return Vectors(gathered.model_id, gathered.hashes, vectors, scales)

    def apply(self, tx: Connection, step: Step, computed: Vectors) -> StepResult:
        """Store the vectors."""
        if computed.vectors is None:
            return StepResult({"embedded": 0})
        store_scales(tx, computed.model_id, computed.scales)
        values = {"model_id": computed.model_id, "workspace_id": step.workspace_id}
        values |= {"hashes": arrays.byte_strings(computed.hashes), "vectors": vector_array(computed.vectors)}
        tx.execute(_STORE, values)
        return StepResult({"embedded": len(computed.hashes)})

    def give_up(self, tx: Connection, step: Step, reason: str) -> None:
        """Do nothing: the end of the run reports missing vectors, and the next run embeds them."""

    def split(self, tx: Connection, step: Step) -> list[NewStep]:
        """Divide the texts without a vector among up to eight steps."""
        _, chunks = _read_missing(tx, step)
        ids = [chunk.id for chunk in chunks]
        if len(ids) < 2:
            return []
        size = -(-len(ids) // MAX_PARTS)
        parts = [ids[at : at + size] for at in range(0, len(ids), size)]
        return [
            NewStep("embedding", "embed", f"{step.key}/{n}", {**step.payload, "chunks": part}, step.provider)
            for n, part in enumerate(parts)
        ]


def _measure(embedder: Embedder, gathered: Slice) -> Mapping[str, Scale | None]:
    """Measure the languages that are new. The texts are embedded without, if the provider fails repeatedly."""
    try:
        return measure_scales(embedder, gathered.unmeasured)
    except UpstreamError:
        if gathered.attempt < MAX_FAILURES:
            raise
        return {}


def _works(embedder: Embedder) -> bool:
    """Return True if the model embeds a harmless text."""
    try:
        embedder.embed_documents(["Self-test"])
    except (UpstreamError, PermanentError):
        return False
    return True


def _refusal(gathered: Slice, message: str) -> PermanentError:
    """Return the error for refused texts. A single one is named."""
    return PermanentError(message if len(gathered.texts) > 1 else f"{gathered.place}: {message}")


def check_embedding(database: Database, embedder: Callable[[str], Embedder]) -> None:
    """Embed a text with the active model and send its vector to the database, as `embed` steps do.

    Raises NotReady if no model is active or its vectors have another length.
    """
    with database.transaction(ALL_WORKSPACES) as tx:
        model = read_active_model(tx)
    vectors = embedder(model.name).embed_documents(["Self-test"])
    if vectors.shape[1] != model.dim:
        raise NotReady(f"{model.name} returned a vector of length {vectors.shape[1]}; {model.dim} is registered.")
    with database.transaction(ALL_WORKSPACES) as tx:
        tx.execute(_SEND, {"vectors": vector_array(vectors)})


class _Chunk(msgspec.Struct, array_like=True, gc=False):
    """A chunk without a vector, and its place in the document."""

    id: int
    document_id: uuid.UUID
    input_hash: bytes
    ordinal: int
    start: int
    end: int
    heading_path: tuple[str, ...]
    markup: tuple[int, ...] | None
    header_start: int | None
    header_end: int | None


def _read_missing(tx: Connection, step: Step) -> tuple[Any, list[_Chunk]]:
    """Return the model and the slice's chunks that have no vector of it; no model if there are no such chunks."""
    values = {"ids": json_rows(step.payload.get("chunks", [])), "model_id": step.payload.get("model_id")}
    row = tx.execute(_MISSING, values).one_or_none()
    return row, msgspec.json.decode(row.chunks, type=list[_Chunk]) if row else []


def _input(chunk: _Chunk, document: Any) -> str:
    text = document.text[chunk.start : chunk.end]
    header = None if chunk.header_start is None else document.text[chunk.header_start : chunk.header_end]
    return embedding_input(
        document.title,
        chunk.heading_path,
        excerpt(text, chunk.markup or (), header),
        about(document.front_matter) if chunk.ordinal == 0 else "",
    )


def _place(chunk: _Chunk, document: Any) -> str:
    """Name a chunk by its document's key and its first line. Errors are logged, so they don't quote texts."""
    line = document.text.count("\n", 0, chunk.start) + 1
    return f"{document.key}, from line {line:,}"


def vector_array(vectors: "NDArray[np.float32]") -> arrays.BinaryValue:
    """Encode vectors (float32, n × dim) as an array of `halfvec`.

    Source: pgvector's `halfvec_recv`: the dimension, two zero bytes, then the elements at half precision.
    """
    import numpy as np

    count, dim = vectors.shape
    row = np.dtype([("size", ">i4"), ("dim", ">i2"), ("unused", ">i2"), ("vector", ">f2", (dim,))])
    rows = np.zeros(count, row)
    rows["size"], rows["dim"], rows["vector"] = 4 + 2 * dim, dim, vectors
    return arrays.joined(arrays.EXTENSION_TYPE, count, rows.tobytes())


_IDS = "any(array(select cast(value as {}) from json_array_elements_text(cast(:ids as json))))"

# The lateral join forces one index lookup per chunk. In a first run the planner has no statistics yet, and would
# compare every chunk with every vector. One text: the driver takes several times as long for the rows.
_MISSING = sa.text(f"""
    select m.id as model_id, m.name as model, cast(json_agg(json_build_array(c.id, c.document_id,
      encode(c.input_hash, 'base64'), c.ordinal, c.start_offset, c.end_offset, c.heading_path, c.markup,
      c.header_start, c.header_end) order by c.id) as text) as chunks
    from chunks c join embedding_models m
      on case when cast(:model_id as integer) is null then m.state = 'active'
        else m.id = cast(:model_id as integer) and m.state in ('building', 'active') end
    left join lateral (select true as found from vectors v where v.model_id = m.id
      and v.workspace_id = c.workspace_id and v.input_hash = c.input_hash limit 1) vector on true
    where c.id = {_IDS.format("bigint")} and vector.found is null
    group by m.id, m.name
""")

_DOCUMENTS = sa.text(
    f"select id, key, title, text, front_matter, language from documents where id = {_IDS.format('uuid')}"
)

# Sorted, so that concurrent steps with the same texts wait for each other instead of deadlocking.
_STORE = sa.text("""
    insert into vectors (model_id, workspace_id, input_hash, embedding)
    select cast(:model_id as integer), cast(:workspace_id as uuid), input_hash, embedding
    from (
      select unnest(cast(:hashes as bytea[])) as input_hash, unnest(cast(:vectors as halfvec[])) as embedding) new
    order by input_hash
    on conflict do nothing
""")

_SEND = sa.text("select count(*) from unnest(cast(:vectors as halfvec[]))")
