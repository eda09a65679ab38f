"""Count documents by what they can be filtered by: source, kind, language, tag, year, and fields of front matter."""

import uuid
from collections.abc import Iterable
from functools import lru_cache
from itertools import groupby
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.filters.parse import parse_filter
from headwater.filters.sql import where
from headwater.filters.write import write_condition

MAX_VALUES = 20
"""Values of a facet, at most: those of the most documents; of years, the latest."""

MAX_FIELDS = 10
"""Fields of front matter, at most: those whose values many documents share."""

MAX_DOCUMENTS = 20_000
"""Fields of front matter are counted if a filter leaves at most this many documents."""


class FacetQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The documents to count, as in a list of documents."""

    filter: str = ""
    source_id: uuid.UUID | None = None


class FacetValue(msgspec.Struct, frozen=True):
    """A value of a field and the number of documents with it. `filter` is the condition that leaves these documents."""

    value: str
    documents: int
    filter: str


class Facet(msgspec.Struct, frozen=True):
    """A field with its most frequent values: `source`, `kind`, `language`, `tag`, `date` or a field of front matter."""

    field: str
    values: list[FacetValue]


class Facets(msgspec.Struct, frozen=True):
    """The number of documents that match a filter, and their facets.

    `front_matter` is false if too many documents match to count their fields of front matter.
    """

    documents: int
    front_matter: bool
    facets: list[Facet]


def read_facets(tx: Connection, workspace_id: uuid.UUID, query: FacetQuery) -> Facets:
    """Count the documents that match a filter. Raises FilterError."""
    condition = where(parse_filter(query.filter), query.source_id)
    values = {**condition.values, "workspace_id": workspace_id, "values": MAX_VALUES, "fields": MAX_FIELDS}
    rows = tx.execute(_statement(_FACETS, condition.sql), values).all()
    documents = sum(row.documents for row in rows if row.field == "")
    facets = [_facet(name, found) for name, found in groupby(rows, lambda row: row.field) if name]
    is_counted = documents <= MAX_DOCUMENTS
    if is_counted:
        fields = tx.execute(_statement(_FIELDS, condition.sql), values)
        facets += [_facet(name, found, is_meta=True) for name, found in groupby(fields, lambda row: row.field)]
    return Facets(documents, is_counted, facets)


def _facet(field: str, rows: Iterable[Any], *, is_meta: bool = False) -> Facet:
    return Facet(
        f"meta.{field}" if is_meta else field,
        [
            FacetValue(row.value, row.documents, write_condition(field, row.value, row.kind, is_meta=is_meta))
            for row in rows
        ],
    )


@lru_cache(maxsize=64)
def _statement(template: str, where: str) -> sa.TextClause:
    return sa.text(template.replace("[condition on documents]", where))


_MATCHING = "d.workspace_id = :workspace_id and d.deleted_at is null and [condition on documents]"

# One row for each value of a document; the field "" counts the documents.
_FACETS = f"""
    with counted as (
      select field, value, count(*) as documents
      from documents d cross join lateral (
        select '' as field, '' as value
        union all select 'source', cast(d.source_id as text)
        union all select 'language', d.language
        union all select 'date', cast(extract(year from d.date) as text)
        union all select 'tag', tag from unnest(d.tags) tag where tag ~ '\\S') one
      where {_MATCHING} and value is not null
      group by field, value
    ), named as (
      select 1 as nr, field, value, documents from counted where field = ''
      union all
      select 2, 'source', s.name, documents from counted join sources s on cast(s.id as text) = value
        where field = 'source' and s.workspace_id = :workspace_id
      union all
      select 3, 'kind', s.kind, sum(documents) from counted join sources s on cast(s.id as text) = value
        where field = 'source' and s.workspace_id = :workspace_id group by s.kind
      union all
      select case field when 'language' then 4 when 'tag' then 5 else 6 end, field, value, documents from counted
        where field in ('language', 'tag', 'date')
    ), placed as (
      select *, row_number() over (partition by field
        order by case when field = 'date' then value end desc, documents desc, value) as place from named
    )
    select field, value, 'text' as kind, cast(documents as bigint) as documents from placed
    where place <= :values order by nr, place
"""

# Fields that name or describe single documents, and those that tags and dates are read from, are left out. So are
# fields of which no two documents share a value, long texts and blank ones.
_FIELDS = f"""
    with counted as (
      select field, min(value) as value, kind, count(*) as documents
      from documents d cross join lateral (
        select distinct on (name, lower(item #>> '{{}}')) name as field, item #>> '{{}}' as value,
          jsonb_typeof(item) as kind
        from jsonb_each(d.front_matter) one (name, content), jsonb_path_query(content, '$[*]') item
        where jsonb_typeof(item) in ('string', 'number', 'boolean') and length(item #>> '{{}}') between 1 and 80
          and length(name) <= 80 and name ~ '\\S' and item #>> '{{}}' ~ '\\S'
          and item #>> '{{}}' !~ '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}'
          and lower(replace(name, '-', '_')) not in ('title', 'description', 'summary', 'slug', 'id', 'uid', 'url',
            'permalink', 'aliases', 'alias', 'weight', 'tags', 'tag', 'keywords', 'categories', 'category')) one
      where {_MATCHING}
      group by field, lower(value), kind
    ), placed as (
      select *, row_number() over (partition by field order by documents desc, value) as place from counted
    ), few as (
      select *, max(documents) over (partition by field) as most, sum(documents) over (partition by field) as total
      from placed where place <= :values
    ), ranked as (
      select *, dense_rank() over (order by total desc, field) as nr from few where most > 1
    )
    select field, value, kind, cast(documents as bigint) as documents from ranked
    where nr <= :fields order by nr, place
"""
