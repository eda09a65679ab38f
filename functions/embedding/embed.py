"""The `embed` step: a slice of hashes flows in, the vectors that are still lacking in it flow out, stored at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from headwater.embedder import Embedder, embedding_input
from headwater.ledger import Step
from headwater.worker import Done
from sqlalchemy.engine import Connection

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
        literals = [as_halfvec(vector) for vector in computed.vectors]
        tx.execute(
            _STORE,
            {
                "model_id": computed.model_id,
                "workspace_id": step.workspace_id,
                "hashes": list(computed.hashes),
                "vectors": literals,
            },
        )
        return Done({"embedded": len(literals)})

    def give_up(self, tx: Connection, step: Step, reason: str) -> None:
        """The run's end tells that texts are without a vector; the next run finds them again."""


def as_halfvec(vector: "NDArray[np.float32]") -> str:
    """Write a vector as pgvector reads it; six significant digits are more than a half-precision float holds."""
    return "[" + ",".join(f"{value:.6g}" for value in vector.tolist()) + "]"


_MISSING = sa.text("""
    select distinct on (c.input_hash) m.id as model_id, m.name as model, c.input_hash, d.title, c.heading_path,
      substr(d.text, c.start_offset + 1, c.end_offset - c.start_offset) as text
    from runs r join embedding_models m on m.state = 'active'
    join chunks c on c.workspace_id = r.workspace_id
      and c.input_hash between decode(:first, 'hex') and decode(:last, 'hex')
    join documents d on d.id = c.document_id and d.source_id = r.source_id and d.deleted_at is null
    where r.id = :run_id and not exists (select 1 from vectors v
      where v.model_id = m.id and v.workspace_id = c.workspace_id and v.input_hash = c.input_hash)
    order by c.input_hash
""")

_STORE = sa.text("""
    insert into vectors (model_id, workspace_id, input_hash, embedding)
    select cast(:model_id as integer), cast(:workspace_id as uuid), decode(h, 'hex'), cast(v as halfvec)
    from unnest(cast(:hashes as text[]), cast(:vectors as text[])) as r (h, v)
    on conflict do nothing
""")
