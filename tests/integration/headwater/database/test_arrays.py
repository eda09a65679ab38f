"""Arrays in binary format as values of a statement: rows of them, and vectors."""

import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.embedding.embed import vector_array
from headwater.database import arrays
from headwater.database.transactions import Database
from headwater.errors import UnprocessableContent
from headwater.words.analysis import WORD_IDS, binary_vector, sparse_vector
from tests.harness.databases import FreshDatabase, connected
from tests.harness.support import WORKSPACE

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
INTEGERS = st.integers(-(2**31), 2**31 - 1)
COUNTS = st.dictionaries(st.integers(1, WORD_IDS), st.integers(1, 32_767), max_size=5)
ROW = (st.none() | INTEGERS, st.none() | TEXT, st.binary(), st.lists(TEXT), st.uuids(), COUNTS)


@pytest.fixture(scope="module")
def db(module_database: FreshDatabase) -> Iterator[Database]:
    with connected(module_database.url) as db:
        yield db


@given(st.lists(st.tuples(*ROW), max_size=8))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_round_trip(db: Database, rows: list[tuple[Any, ...]]) -> None:
    columns = [*zip(*rows, strict=True)] or [()] * len(ROW)
    with db.transaction(WORKSPACE) as tx:
        values = {
            "numbers": arrays.integers(columns[0]),
            "texts": arrays.texts(columns[1]),
            "bytes": arrays.byte_strings(columns[2]),
            "lists": arrays.texts(map(arrays.text_literal, columns[3])),
            "ids": arrays.uuids(columns[4]),
            "words": arrays.elements(arrays.EXTENSION_TYPE, map(binary_vector, columns[5])),
        }
        stored = tx.execute(_ROWS, values).all()
    assert [(*row[:2], bytes(row[2]), *row[3:]) for row in stored] == [
        (*row, sparse_vector(dict(sorted(words.items())))) for *row, words in rows
    ]


def test_arrays_are_sent_beside_other_values_and_with_the_first_statement(db: Database) -> None:
    for _ in range(2):
        with db.transaction(WORKSPACE) as tx:
            values = {"name": "a", "ids": arrays.uuids([uuid.UUID(int=1)]), "nothing": None, "n": 7}
            assert tuple(tx.execute(_MIXED, values).one()) == ("a", [uuid.UUID(int=1)], None, 7)


def test_nul_character_is_unprocessable(db: Database) -> None:
    with pytest.raises(UnprocessableContent), db.transaction(WORKSPACE) as tx:
        tx.execute(sa.text("select cast(:texts as text[])"), {"texts": arrays.texts(["a\0b"])})


def test_vectors_are_rounded_to_float16(db: Database) -> None:
    vectors = np.random.default_rng(1).standard_normal((3, 7)).astype(np.float32)
    with db.transaction(WORKSPACE) as tx:
        stored = tx.execute(_VECTORS, {"vectors": vector_array(vectors)}).scalars().all()
    rounded = np.array([[float(part) for part in text.strip("[]").split(",")] for text in stored])
    assert np.allclose(rounded, vectors.astype(np.float16).astype(float), rtol=1e-3)


_ROWS = sa.text("""
    select n, t, b, cast(list as text[]), id, cast(words as text)
    from (
      select unnest(cast(:numbers as integer[])) as n, unnest(cast(:texts as text[])) as t,
        unnest(cast(:bytes as bytea[])) as b, unnest(cast(:lists as text[])) as list,
        unnest(cast(:ids as uuid[])) as id, unnest(cast(:words as sparsevec[])) as words) rows
""")

_MIXED = sa.text("select cast(:name as text), cast(:ids as uuid[]), cast(:nothing as text), cast(:n as integer)")

_VECTORS = sa.text("select cast(v as text) from unnest(cast(:vectors as halfvec[])) v")
