"""Filters in the database: the same documents as plain Python finds, and nothing else for any values."""

import datetime as dt
import json
import uuid
from itertools import product

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater.database.transactions import Database
from headwater.filters.parse import FilterError, parse_filter
from headwater.filters.sql import where
from headwater.filters.tree import Filter
from tests.harness.filter_reference import FilteredDocument, date, matches, tags
from tests.harness.support import OTHER_WORKSPACE, WORKSPACE, add_workspace

SOURCES = {"Handbook": "git", "ann's notes": "upload"}

_TEXTS = st.sampled_from(["a", "Release", "b c", "a/b", "#a", "2024-02-29", "2024-02-30", "2023-12-31T23:00:00Z"])
_TEXTS |= st.sampled_from(["true", "3", "it's", '"', "\\", "%", "ä", "漢"]) | st.text("ab/ ,#É'", max_size=6)
_SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 2.0]) | _TEXTS
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
)
_NAMES = st.sampled_from(["a", "B", "a b", "tags", "categories", "keywords", "date", "Last-Update", "extra", 'x"y'])
_KEYS = st.sampled_from(["a.md", "docs/a.md", "docs/b/README.MD", "posts/2024-02-01-x.md", "a b/ä.txt", "x'y"])
_DOCUMENTS = st.builds(
    FilteredDocument,
    key=_KEYS,
    source=st.sampled_from([*SOURCES]),
    kind=st.just(""),
    language=st.none() | st.sampled_from(["en", "de"]),
    fetched=st.none() | st.dates(dt.date(2023, 12, 30), dt.date(2024, 3, 2)),
    front_matter=st.dictionaries(_NAMES, _VALUES, max_size=4),
).map(lambda document: document._replace(kind=SOURCES[document.source]))


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


_DAYS = st.sampled_from(["2024", "2024-02", "2024-02-29", "2023-12-31"])
_NUMBERS = st.sampled_from(["3", "-1", "2.0", "0.5", "2024"])
_BARE = st.sampled_from(["a", "release", "true", "false", "null", "#a", "a/b"]) | _NUMBERS | _DAYS
_PATHS = st.sampled_from(["**/*.md", "docs/", "**/a.*", "docs/**/readme.md", "?.md", "[!x]*", '"a b/*"', "*'*"])
_COMPARISONS = st.sampled_from(["<", "<=", ">", ">=", ":"])
_META = st.lists(_NAMES.map(quoted), min_size=1, max_size=3).map(lambda names: ".".join(["meta", *names]))


def any_of(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.just("*") | st.lists(values, min_size=1, max_size=3).map(",".join)


_CONDITIONS = st.one_of(
    st.builds("{}:{}".format, st.just("tag") | _META, any_of(_BARE | _TEXTS.map(quoted))),
    st.builds("{}:{}".format, st.just("source"), any_of(st.sampled_from(["handbook", quoted("Ann's notes"), "none"]))),
    st.builds("{}:{}".format, st.just("kind"), any_of(st.sampled_from(["git", "Upload", "x"]))),
    st.builds("{}:{}".format, st.just("language"), any_of(st.sampled_from(["en", "DE", "x"]))),
    st.builds("path:{}".format, any_of(_PATHS)),
    st.builds("{}{}{}".format, st.sampled_from(["date", "fetched"]), _COMPARISONS, _DAYS),
    st.builds("{}{}{}".format, _META, _COMPARISONS, _DAYS | _NUMBERS),
)
FILTERS = st.recursive(
    _CONDITIONS,
    lambda inner: st.one_of(
        st.builds("-({})".format, inner),
        st.builds("({}) ({})".format, inner, inner),
        st.builds("({}) OR NOT ({})".format, inner, inner),
    ),
    max_leaves=4,
)


@pytest.fixture
def sources(db: Database) -> dict[str, uuid.UUID]:
    insert = "insert into sources (workspace_id, kind, name, config) values (:w, :kind, :name, '{}') returning id"
    with db.transaction(WORKSPACE) as tx:
        return {
            name: tx.execute(sa.text(insert), {"w": WORKSPACE, "kind": kind, "name": name}).scalar_one()
            for name, kind in SOURCES.items()
        }


def store(tx: sa.Connection, sources: dict[str, uuid.UUID], documents: list[FilteredDocument]) -> None:
    """Replace all documents. Their titles are their numbers."""
    rows = [
        {**document._asdict(), "nr": str(n), "id": str(sources[document.source])}
        for n, document in enumerate(documents)
    ]
    tx.execute(sa.text("delete from documents"))
    tx.execute(
        sa.text("""
            insert into documents (workspace_id, source_id, key, fingerprint, title, media_type, text, language,
              fetched_at, front_matter)
            select :w, id, key || '', '', nr, '', '', language, fetched, front_matter
            from json_to_recordset(cast(:rows as json))
              as r (key text, id uuid, nr text, language text, fetched timestamptz, front_matter jsonb)
        """),
        {"w": WORKSPACE, "rows": json.dumps(rows, default=str)},
    )


def find(tx: sa.Connection, filter_: Filter | None) -> list[int]:
    condition = where(filter_)
    statement = f"select cast(d.title as integer) from documents d where {condition.sql} order by 1"
    return [*tx.execute(sa.text(statement), {"workspace_id": WORKSPACE, **condition.values}).scalars()]


# Each example is a transaction that is rolled back: the documents are not stored.
@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.lists(_DOCUMENTS, max_size=6, unique_by=lambda document: (document.source, document.key)),
    st.lists(FILTERS, min_size=1, max_size=5),
)
def test_filter_finds_what_plain_python_finds(
    db: Database, sources: dict[str, uuid.UUID], documents: list[FilteredDocument], texts: list[str]
) -> None:
    with db.transaction(WORKSPACE) as tx:
        store(tx, sources, documents)
        stored = [*tx.execute(sa.text("select tags, date from documents order by cast(title as integer)"))]
        assert [row.date for row in stored] == [date(document.front_matter, document.key) for document in documents]
        assert [{*row.tags} for row in stored] == [tags(document.front_matter) for document in documents]
        for text in texts:
            filter_ = parse_filter(text)
            assert filter_
            found = [n for n, document in enumerate(documents) if matches(filter_, document)]
            assert find(tx, filter_) == found, text


DATE_FIELDS = [
    "updated",
    "updated_at",
    "last_updated",
    "lastupdated",
    "last_update",
    "lastmod",
    "last_modified",
    "modified",
    "modified_at",
    "date",
    "published",
    "published_at",
    "publishdate",
    "pubdate",
    "created",
    "created_at",
]
TAG_FIELDS = ["tags", "tag", "keywords", "categories", "category"]


def test_date_and_tags_are_read_from_every_field(db: Database, sources: dict[str, uuid.UUID]) -> None:
    """Postgres looks for the fields' names in the text of the front matter before it reads the fields."""
    spelled = [*DATE_FIELDS, *(name.upper().replace("_", "-") for name in DATE_FIELDS)]
    dated = [{name: "2024-02-29"} for name in spelled] + [{"extra": {name: "2024-02-29"}} for name in spelled]
    tagged = [{name: "a/b"} for name in (*TAG_FIELDS, *map(str.title, TAG_FIELDS))]
    made = [
        FilteredDocument(f"{n}.md", "Handbook", "git", None, None, front_matter)
        for n, front_matter in enumerate([*dated, *tagged, {"mydate": "2024-02-29", "ms.tags": "a"}])
    ]
    with db.transaction(WORKSPACE) as tx:
        store(tx, sources, made)
        rows = tx.execute(sa.text("select date, tags from documents order by cast(title as integer)"))
        stored = [(row.date, row.tags) for row in rows]
    day = dt.date(2024, 2, 29)
    assert stored == [*((day, []) for _ in dated), *((None, ["a", "a/b"]) for _ in tagged), (None, [])]


EXAMPLES = {
    "tag:release": ["a", "b"],
    "tag:RELEASE,x": ["a", "b"],
    "tag:project": ["b"],
    "-tag:*": ["c"],
    "meta.author:ann": ["a"],
    'meta.author:"Ann Lee"': ["b"],
    "meta.author:*": ["a", "b"],
    "meta.priority>=2": ["b"],
    "meta.priority<2 meta.draft:true": ["a"],
    "meta.review<2026-02": ["b"],
    "date:2026": ["b"],
    "date<2026 OR date>2026-01": ["a"],
    "-date:*": ["c"],
    "path:docs/**": ["b", "c"],
    "path:*.md,docs/*.MD -path:docs/c*": ["a", "b"],
    "source:handbook kind:git language:de": ["a"],
    "NOT source:handbook": ["b", "c"],
}


@pytest.fixture
def documents(db: Database, sources: dict[str, uuid.UUID]) -> None:
    made = [
        FilteredDocument(
            "a.md", "Handbook", "git", "de", None,
            {"tags": "release other", "author": "Ann", "priority": 1, "draft": True, "date": "2025-06-30"},
        ),
        FilteredDocument(
            "docs/b.md", "ann's notes", "upload", "en", None,
            {
                "tags": ["#Release", "project/x"], "author": ["Bob", "ann lee"], "priority": [0, 2.5],
                "review": "2026-01-31", "date": "2025-01-01", "lastmod": "2026-01-15T12:00:00Z",
            },
        ),
        FilteredDocument("docs/c.md", "ann's notes", "upload", None, None, {"author": None, "tags": []}),
    ]  # fmt: skip
    with db.transaction(WORKSPACE) as tx:
        store(tx, sources, made)


def test_examples_of_the_language(db: Database, documents: None) -> None:
    with db.transaction(WORKSPACE) as tx:
        found = {text: ["abc"[n] for n in find(tx, parse_filter(text))] for text in EXAMPLES}
    assert found == EXAMPLES


HOSTILE = [
    "'",
    "' or true --",
    "\\'; drop table documents; --",
    ":workspace_id",
    "%s",
    "$1",
    "[condition on documents]",
]
HOSTILE += [
    "{}",
    "{0}",
    "a" * 1_500,
    "9" * 18,
    "-" + "9" * 18,
    "0." + "1" * 18,
    "*",
    "1e400",
    "NaN",
    "\u202e",
    "\ufeff",
]


def test_hostile_values_are_only_values(db: Database, documents: None) -> None:
    with db.transaction(WORKSPACE) as tx:
        for field, text in product(["source", "kind", "language", "tag", "meta.a", "path"], HOSTILE):
            try:
                filter_ = parse_filter(f"{field}:{quoted(text)}")
            except FilterError:
                assert field == "path"
            else:
                assert find(tx, filter_) == ([0] if (field, text) == ("path", "*") else []), text


def test_hostile_names_are_only_names(db: Database, sources: dict[str, uuid.UUID]) -> None:
    names = [*HOSTILE[:9], "a\x1fb", "$", "@", "*", "**", ".", "\\u0000", "\n"]
    made = [FilteredDocument(f"{n}", "Handbook", "git", None, None, {name: 1}) for n, name in enumerate(names)]
    with db.transaction(WORKSPACE) as tx:
        store(tx, sources, made)
        for n, name in enumerate(names):
            assert find(tx, parse_filter(f"meta.{quoted(name)}:1 -meta.{quoted(name + 'x')}:*")) == [n]


LONG = [
    "*a" * 149,
    "**/" * 99 + "a",
    "**/a/" * 60,
    "?*" * 150,
    "[!b]*" * 60,
    "a" * 300,
    "*" * 300,
    "[!\\0-\U0010ffff]" * 20,
]


def test_long_patterns_take_little_time(db: Database, documents: None) -> None:
    with db.transaction(WORKSPACE) as tx:
        tx.execute(sa.text("set local statement_timeout = '5s'"))
        tx.execute(sa.text("update documents set key = repeat('a/', 500) || 'a' where key = 'a.md'"))
        for pattern in LONG:
            assert len(find(tx, parse_filter(f"path:{quoted(pattern)}"))) <= 3


def test_filter_finds_no_documents_of_other_workspaces(db: Database, documents: None) -> None:
    add_workspace(db, OTHER_WORKSPACE)
    with db.transaction(OTHER_WORKSPACE) as tx:
        assert find(tx, parse_filter("source:handbook OR -tag:nothing")) == []
