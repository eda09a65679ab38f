"""Facets: what is counted, and the conditions that leave what was counted."""

import json
import uuid
from collections.abc import Sequence
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.collection.documents.documents import DocumentQuery, read_documents
from functions.collection.documents.facets import FacetQuery, read_facets
from headwater.database.transactions import Database
from headwater.errors import UnprocessableContent
from tests.harness.support import WORKSPACE, add_source


@pytest.fixture
def source_id(db: Database) -> uuid.UUID:
    return add_source(db, WORKSPACE)


def store(tx: sa.Connection, source_id: uuid.UUID, front_matters: Sequence[dict[str, Any]]) -> None:
    tx.execute(sa.text("delete from documents"))
    insert = """
        insert into documents (workspace_id, source_id, key, fingerprint, title, media_type, text, language,
          front_matter)
        select :w, :s, lpad(cast(nr as text), 3, '0'), '', '', '', '', 'en', front_matter
        from json_array_elements(cast(:rows as json)) with ordinality one (front_matter, nr)"""
    tx.execute(sa.text(insert), {"w": WORKSPACE, "s": source_id, "rows": json.dumps(front_matters)})


def test_fields_are_counted_with_their_conditions(db: Database, source_id: uuid.UUID) -> None:
    with db.transaction(WORKSPACE) as tx:
        tx.execute(sa.text("update sources set name = 'The handbook'"))
        made: list[dict[str, Any]] = [
            {"tags": ["a b", "c"], "author": "Ann Lee", "draft": True, "date": "2026-01-02", "slug": "x"},
            {"tags": ["A b"], "author": "ann lee", "draft": True, "priority": 3, "date": "2025-01-02", "slug": "x"},
            {"author": ["Bob", "Bob"], "priority": "3", "edition": "2026", "long": "x" * 81},
            {"priority": 3, "edition": "2026", "long": "x" * 81, "nothing": None},
        ]
        store(tx, source_id, made)
        found = read_facets(tx, WORKSPACE, FacetQuery())
        assert (found.documents, found.front_matter) == (4, True)
        assert [(f.field, [(v.filter, v.documents) for v in f.values]) for f in found.facets] == [
            ("source", [('source:"The handbook"', 4)]),
            ("kind", [("kind:git", 4)]),
            ("language", [("language:en", 4)]),
            ("tag", [('tag:"a b"', 2), ("tag:c", 1)]),
            ("date", [("date:2026", 1), ("date:2025", 1)]),
            ("meta.author", [('meta.author:"Ann Lee"', 2), ("meta.author:Bob", 1)]),
            ("meta.priority", [("meta.priority:3", 2), ('meta.priority:"3"', 1)]),
            ("meta.draft", [("meta.draft:true", 2)]),
            ("meta.edition", [('meta.edition:"2026"', 2)]),
        ]
        few = read_facets(tx, WORKSPACE, FacetQuery("date:2026"))
        assert few.documents == 1
        assert [f.field for f in few.facets] == ["source", "kind", "language", "tag", "date"]
        assert read_facets(tx, WORKSPACE, FacetQuery(source_id=uuid.uuid4())).facets == []


def test_blank_tags_fields_and_values_are_not_counted(db: Database, source_id: uuid.UUID) -> None:
    with db.transaction(WORKSPACE) as tx:
        store(tx, source_id, [{"tags": ["/a", "b//c"], "": "x", " ": "x", "note": [" ", "y"]}] * 2)
        facets = {facet.field: facet.values for facet in read_facets(tx, WORKSPACE, FacetQuery()).facets}
        assert "" not in [value.value for value in facets["tag"]]
        assert [value.value for value in facets["meta.note"]] == ["y"]
        assert not {"meta.", "meta. "} & facets.keys()


@pytest.mark.parametrize("text", ["tag:", "date:soon", "("])
def test_invalid_filter_is_refused(db: Database, source_id: uuid.UUID, text: str) -> None:
    with db.transaction(WORKSPACE) as tx, pytest.raises(UnprocessableContent, match="Invalid filter at character"):
        read_facets(tx, WORKSPACE, FacetQuery(text))
    with db.transaction(WORKSPACE) as tx, pytest.raises(UnprocessableContent, match="Invalid filter at character"):
        read_documents(tx, WORKSPACE, DocumentQuery(filter=text))


_TEXTS = st.sampled_from(
    ['"', "\\", "a b", "A", "a", "*", "-a", "(x)", "a,b", "true", "3", "2026-01", "OR", "#1", "é", "“x"]
)
_VALUES = _TEXTS | st.booleans() | st.integers(0, 2)
_NAMES = st.sampled_from(["tags", "author", "x y", 'q"', "a.b", "-", "*", "“y"])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(_NAMES, _VALUES | st.lists(_TEXTS, unique_by=str.lower), max_size=4), max_size=8))
def test_conditions_leave_the_documents_that_were_counted(
    db: Database, source_id: uuid.UUID, front_matters: list[dict[str, Any]]
) -> None:
    with db.transaction(WORKSPACE) as tx:
        store(tx, source_id, front_matters)
        found = read_facets(tx, WORKSPACE, FacetQuery())
        values = [value for facet in found.facets for value in facet.values]
        for value in values:
            page = read_documents(tx, WORKSPACE, DocumentQuery(filter=value.filter))
            # `true` and 3 also match texts, which are counted apart.
            assert len(page.documents) >= value.documents, value
            if value.filter.endswith('"') or not value.value.isascii() or not value.value.isalnum():
                assert len(page.documents) == value.documents, value


def test_list_of_documents_has_a_filter(db: Database, source_id: uuid.UUID) -> None:
    with db.transaction(WORKSPACE) as tx:
        store(tx, source_id, [{"tags": "even" if n % 2 else "odd"} for n in range(10)])
        first = read_documents(tx, WORKSPACE, DocumentQuery(filter="tag:even", limit=3))
        assert [document.key for document in first.documents] == ["002", "004", "006"]
        rest = read_documents(tx, WORKSPACE, DocumentQuery(filter="tag:even", limit=3, after=first.next or ""))
        assert [document.key for document in rest.documents] == ["008", "010"]
