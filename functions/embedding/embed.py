"""The `embed` step: a slice of hashes flows in, the vectors that are still lacking in it flow out, stored at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.db import as_rows
from headwater.embedder import Embedder, embedding_input
from headwater.ledger import NewStep, Step
from headwater.worker import Done

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Slice:
    """The texts to be embedded, each with the hash (hex) it is stored under."""

    model_id: int
    model: str
    hashes: Sequence[str]
    texts: Sequence[str]


@dataclass(frozen=True)
class Vectors:
    """What a slice came to: `vectors` is float32, one row for each hash."""

    model_id: int
    hashes: Sequence[str]
    vectors: "NDArray[np.float32] | None"


class Embed:
    """Handler of `embed` steps; `embedder` gives the embedder of a model, loaded when it is first wanted."""

    def __init__(self, embedder: Callable[[str], Embedder]) -> None:
        self.embedder = embedder

    def gather(self, tx: Connection, step: Step) -> Slice:
        """Read the slice's texts that have no vector in the active model."""
        rows = tx.execute(_MISSING, {"run_id": step.run_id, **step.payload}).all()
        texts = [embedding_input(row.title, row.heading_path, row.text) for row in rows]
        first = rows[0] if rows else None
        return Slice(
            first.model_id if first else 0, first.model if first else "", [row.input_hash.hex() for row in rows], texts
        )

    def compute(self, gathered: Slice) -> Vectors:
        """Embed the texts."""
        vectors = self.embedder(gathered.model).embed_documents(gathered.texts) if gathered.texts else None
        return Vectors(gathered.model_id, gathered.hashes, vectors)

    def apply(self, tx: Connection, step: Step, computed: Vectors) -> Done:
        """Store the vectors."""
        if computed.vectors is None:
            return Done({"embedded": 0})
        values = {"model_id": computed.model_id, "workspace_id": step.workspace_id}
        rows = {"hashes": as_rows(computed.hashes), "vectors": as_halfvecs(computed.vectors)}
        tx.execute(_STORE, values | rows)
        return Done({"embedded": len(computed.hashes)})

    def give_up(self, tx: Connection, step: Step, reason: str) -> None:
        """The run's end tells that texts are without a vector; the next run finds them again."""

    def split(self, tx: Connection, step: Step) -> list[NewStep]:
        """Embed each text of the slice by itself."""
        hashes = self.gather(tx, step).hashes
        if len(hashes) < 2:
            return []
        return [
            NewStep("embedding", "embed", f"{step.key}/{n}", {"first": hash_, "last": hash_}, step.provider)
            for n, hash_ in enumerate(hashes)
        ]


def as_halfvecs(vectors: "NDArray[np.float32]") -> str:
    """Write vectors (float32, n × dim) as one JSON array of arrays, each of which pgvector reads as it stands.

    Rounded to half precision here already, which is what is stored: the numbers are then a third as long.
    """
    return msgspec.json.encode(vectors.astype("float16").tolist()).decode()


_MISSING = sa.text("""
    select distinct on (c.input_hash) m.id as model_id, m.name as model, c.input_hash, d.title, c.heading_path,
      substr(d.text, c.start_offset + 1, c.end_offset - c.start_offset) as text
    from runs r join embedding_models m on m.state = 'active'
    join chunks c on c.workspace_id = r.workspace_id
      and c.input_hash between decode(:first, 'hex') and decode(:last, 'hex')
    join documents d on d.id = c.document_id and d.source_id = r.source_id and d.deleted_at is null
    left join lateral (select true as found from vectors v where v.model_id = m.id
      and v.workspace_id = c.workspace_id and v.input_hash = c.input_hash limit 1) vector on true
    where r.id = :run_id and vector.found is null
    order by c.input_hash
""")

_STORE = sa.text("""
    insert into vectors (model_id, workspace_id, input_hash, embedding)
    select cast(:model_id as integer), cast(:workspace_id as uuid), decode(h, 'hex'), cast(v as halfvec)
    from rows from (
      json_array_elements_text(cast(:hashes as json)), json_array_elements_text(cast(:vectors as json))) as r (h, v)
    on conflict do nothing
""")
