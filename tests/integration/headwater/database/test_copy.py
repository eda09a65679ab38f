"""COPY into a temporary table: values, blocks and errors."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater.database import copy
from headwater.database.transactions import Database
from headwater.errors import UnprocessableContent
from headwater.words.analysis import WORD_IDS, binary_vector, sparse_vector
from tests.harness.databases import FreshDatabase, connected
from tests.harness.support import WORKSPACE, add_source, add_workspace

COLUMNS = "n integer, t text, b bytea, a text[], i integer[], u uuid, w sparsevec"
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
INTEGERS = st.integers(-(2**31), 2**31 - 1)
COUNTS = st.dictionaries(st.integers(1, WORD_IDS), st.integers(1, 32_767), max_size=5)
ROW = (INTEGERS, st.none() | TEXT, st.binary(), st.lists(TEXT), st.lists(INTEGERS, min_size=1), st.uuids(), COUNTS)
ROWS = st.lists(st.tuples(*ROW), max_size=8)


@pytest.fixture(scope="module")
def db(module_database: FreshDatabase) -> Iterator[Database]:
    with connected(module_database.url) as db:
        yield db


@given(ROWS)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_copied_values_round_trip(db: Database, rows: list[tuple[Any, ...]]) -> None:
    with db.transaction(WORKSPACE) as tx:
        copy.copy_rows(tx, "new_things", COLUMNS, [(*row, binary_vector(words)) for *row, words in rows])
        stored = tx.execute(sa.text("select n, t, b, a, i, u, cast(w as text) from new_things")).all()
    expected = [(*row, sparse_vector(dict(sorted(words.items())))) for *row, words in rows]
    assert [tuple(row) for row in stored] == expected


def test_copy_sends_blocks_to_a_table_that_ends_with_the_transaction(db: Database) -> None:
    rows = [(n, "x" * 1000, b"", (), None, uuid.UUID(int=n), None) for n in range(1000)]
    assert len(list(copy.encode_blocks(rows))) > 3
    for _ in range(2):
        with db.transaction(WORKSPACE) as tx:
            copy.copy_rows(tx, "new_things", COLUMNS, iter(rows))
            assert tx.execute(sa.text("select sum(length(t)) from new_things")).scalar_one() == 1_000_000


def test_nul_character_is_unprocessable(db: Database) -> None:
    with pytest.raises(UnprocessableContent), db.transaction(WORKSPACE) as tx:
        copy.copy_rows(tx, "new_things", "t text", [("a\0b",)])


def test_app_role_can_refresh_planner_statistics(db: Database) -> None:
    source_id, estimates = add_source(db, add_workspace(db)), []
    with db.transaction(WORKSPACE) as tx:
        for key in ("one", "two"):  # both fit into the same page
            tx.execute(_ADD, {"workspace_id": WORKSPACE, "source_id": source_id, "key": key})
            tx.execute(sa.text("select refresh_statistics()"))
            estimates.append(tx.execute(_ESTIMATE).scalar_one())
    assert estimates == [1, 1]


_ADD = sa.text("""
    insert into documents (workspace_id, source_id, key, fingerprint, title, media_type, text)
    values (:workspace_id, :source_id, :key, '', '', 'text/markdown', '')
""")

_ESTIMATE = sa.text("select reltuples from pg_class where oid = cast('documents' as regclass)")
