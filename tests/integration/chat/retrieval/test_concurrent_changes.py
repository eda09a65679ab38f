"""Search while documents are added, changed, moved and deleted, and segments of words are made and joined.

`CHANGES=5000 pytest …` runs longer.
"""

import os
import random
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import get_args

import sqlalchemy as sa

from functions.chat.retrieval.search import Ranking, Search
from functions.collection.chunking.chunk import Chunk
from functions.collection.documents.parsed_file import ParsedFile
from functions.collection.documents.store import document_rows, store
from functions.collection.pipeline.difference import give_new_keys
from functions.collection.pipeline.index_words import IndexWords
from headwater.connectors import Fetched
from headwater.database.migrations import register_model
from headwater.database.transactions import Database
from headwater.embedding import vector_index
from headwater.embedding.base import input_hash
from headwater.embedding.constant import ConstantEmbedder
from headwater.queue.ledger import Step
from headwater.words.analysis import binary_vector, count_words
from tests.harness.databases import FreshDatabase, connected
from tests.harness.support import WORKSPACE, add_run, add_workspace, settings_for

CHANGES = int(os.environ.get("CHANGES", "120"))
DOCUMENTS = 12
DELETED = 0


@dataclass
class Version:
    """A state of a document: visible from some time between `began` and `committed`. The time is counted in events."""

    number: int
    began: int
    committed: int | None = None


@dataclass
class World:
    """The documents that a writer changes, each with its versions."""

    database: Database
    run_id: uuid.UUID
    clock: "count[int]" = field(default_factory=count)
    versions: list[list[Version]] = field(default_factory=lambda: [[Version(DELETED, 0, 0)] for _ in range(DOCUMENTS)])
    keys: list[str] = field(default_factory=lambda: [f"{n}.md" for n in range(DOCUMENTS)])

    def change(self, n: int, choice: random.Random) -> None:
        """Add, change, move or delete a document in one transaction."""
        last = self.versions[n][-1]
        deletes = last.number != DELETED and choice.random() < 0.2
        version = Version(DELETED if deletes else len(self.versions[n]), next(self.clock))
        self.versions[n].append(version)
        with self.database.transaction(WORKSPACE) as tx:
            if deletes:
                tx.execute(_DELETE if choice.random() < 0.5 else _TOMBSTONE, {"key": self.keys[n]})
            else:
                if last.number != DELETED and choice.random() < 0.3:
                    document_id = tx.execute(_ID, {"key": self.keys[n]}).scalar_one()
                    self.keys[n] = f"{n}-{version.number}.md"
                    give_new_keys(tx, [(document_id, self.keys[n])])
                self._store(tx, n, version.number)
        version.committed = next(self.clock)

    def _store(self, tx: sa.Connection, n: int, number: int) -> None:
        text = f"common document{n} version{number}"
        counts = count_words(text, "en")
        words = binary_vector(counts), sum(counts.values())
        chunk = Chunk(0, 0, len(text), (), input_hash(text), 5)
        parsed = ParsedFile("", text, {}, "en", (), (chunk,), (words,), ())
        file = Fetched(self.keys[n], b"", "text/markdown")
        store(tx, WORKSPACE, self.run_id, document_rows([(file, parsed)], {file.key: str(number)}))
        vector = str(ConstantEmbedder().embed_query(text).tolist())
        tx.execute(_ADD_VECTOR, {"w": WORKSPACE, "hash": chunk.input_hash, "vector": vector})

    def allowed(self, n: int, began: int, ended: int) -> set[int]:
        """Return the versions of a document that a search between two times may find."""
        versions = self.versions[n]
        successors = [*versions[1:], None]
        return {
            version.number
            for version, successor in zip(versions, successors, strict=True)
            if version.began <= ended
            and (successor is None or successor.committed is None or successor.committed >= began)
        }


def index_words(database: Database) -> None:
    """Run the step once, whether it is needed or not."""
    step = Step(0, uuid.UUID(int=0), WORKSPACE, "collection", "index_words", "0", {}, None, 1, 0, 0)
    with database.transaction(WORKSPACE) as tx:
        chosen = IndexWords().gather(tx, step)
    with database.transaction(WORKSPACE) as tx:
        IndexWords().apply(tx, step, chosen)


def test_search_finds_exactly_what_is_committed(database: FreshDatabase) -> None:
    register_model(database.admin_url, "constant", 384)
    errors: list[str] = []
    done = threading.Event()
    searches = count()
    with connected(database.url, 6) as connection:
        add_workspace(connection)
        world = World(connection, add_run(connection))
        choice = random.Random(1)
        for n in range(DOCUMENTS):
            world.change(n, choice)
        vector_index.build_indexes(settings_for(database), exact_vectors=0)

        def write(seed: int) -> None:
            own = random.Random(seed)
            for _ in range(CHANGES // 2):
                world.change(own.randrange(seed, DOCUMENTS, 2), own)
            done.set()

        def read(by: Ranking, exact_limit: int) -> None:
            search = Search(connection, lambda name: ConstantEmbedder(), exact_limit=exact_limit)
            while not done.is_set():
                next(searches)
                began = next(world.clock)
                passages = search(WORKSPACE, "common", 50, by=by)
                ended = next(world.clock)
                found = dict(_parse(passage.text) for passage in passages)
                errors.extend(
                    f"{by}: document {n} has version {found.get(n)}, not one of {allowed}"
                    for n in range(DOCUMENTS)
                    if found.get(n, DELETED) not in (allowed := world.allowed(n, began, ended))
                )

        def index() -> None:
            while not done.is_set():
                index_words(connection)
                time.sleep(0.002)

        def guarded(work: Callable[[], None]) -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - reported by the test
                errors.append(repr(error))
                done.set()

        works: list[Callable[[], None]] = [lambda: write(0), lambda: write(1), index]
        works += [partial(read, by, 0) for by in get_args(Ranking)]
        threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not errors, errors[:5]
    assert next(searches) > 30


def _parse(text: str) -> tuple[int, int]:
    """Return a document's number and version."""
    _, document, version = text.split()
    return int(document.removeprefix("document")), int(version.removeprefix("version"))


_ID = sa.text("select id from documents where key = :key")

_DELETE = sa.text("delete from documents where key = :key")

_TOMBSTONE = sa.text("update documents set deleted_at = now() where key = :key")

_ADD_VECTOR = sa.text("""
    insert into vectors (model_id, workspace_id, input_hash, embedding)
    select id, :w, :hash, cast(:vector as halfvec) from embedding_models where state = 'active'
""")
