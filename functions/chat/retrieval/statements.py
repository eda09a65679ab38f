"""Statements of a search. Those that read documents are templates: `statement` inserts a filter's condition."""

from functools import lru_cache

import sqlalchemy as sa

from headwater.database.transactions import json_rows
from headwater.embedding.vector_index import PROBES, indexed_vector
from headwater.filters.sql import SETTINGS, where
from headwater.words.analysis import STEMMERS

STEMMERS_JSON = json_rows([{"language": code, "dictionary": f"{name}_stem"} for code, name in STEMMERS.items()])
"""The dictionaries of Postgres with the stop words of each language."""


@lru_cache(maxsize=256)
def statement(template: str, where: str) -> sa.TextClause:
    """Return the statement of a template for documents that meet a condition."""
    return sa.text(template.replace(_WHERE, where))


_WHERE = "[condition on documents]"

EVERYTHING = where(None).sql

_SEARCHED = f"""d.workspace_id = :workspace_id and d.deleted_at is null and d.placement is distinct from 'hidden'
    and {_WHERE}"""

_LIVE = f"c.workspace_id = :workspace_id and {_SEARCHED}"

# The recursion finds each language of the workspace with one look-up in an index. To count 20,000 vectors takes 4 ms;
# of the chunks that are indexed by words, at least half are live, and their number is stored.
TARGET = sa.text("""
    with recursive languages (language) as (
      (select language from documents where workspace_id = :workspace_id order by language limit 1)
      union all
      select (select d.language from documents d
        where d.workspace_id = :workspace_id and d.language > languages.language order by d.language limit 1)
      from languages where languages.language is not null)
    select m.id as model_id, m.name as model, m.dim,
      coalesce((select half_life_days from workspaces where id = :workspace_id), 0) as half_life_days,
      exists (select 1 from pg_index i join pg_class c on c.oid = i.indexrelid
        where i.indrelid = to_regclass('vectors_' || m.id) and i.indisvalid and c.relname ~ '_lists_')
      and ((select sum(chunks) from word_segments where workspace_id = :workspace_id) > 2 * cast(:exact_limit as bigint)
        or exists (select 1 from vectors v where v.model_id = m.id and v.workspace_id = :workspace_id
          offset cast(:exact_limit as integer))) as is_indexed,
      array(select language from languages where language is not null) as languages,
      array(select word from json_array_elements_text(cast(:texts as json)) as word where exists (
        select 1 from languages l
        join json_to_recordset(cast(:stemmers as json)) as s (language text, dictionary name) using (language)
        join pg_ts_dict on dictname = s.dictionary
        where ts_lexize(pg_ts_dict.oid, word) = '{}')) as stop_words,
      array(select word from json_array_elements_text(cast(:texts as json)) as word
        where ts_lexize('english_stem', word) = '{}') as english_stop_words
    from (values (1)) one left join embedding_models m on m.state = 'active' and exists (
      select 1 from vectors v where v.model_id = m.id and v.workspace_id = :workspace_id)
""")

_NEAREST_OF = """
    nearest as materialized (
      select input_hash, {embedding} <=> cast(:vector as halfvec) as distance from vectors v {joined}
      where model_id = :model_id and workspace_id = :workspace_id order by distance limit :oversample)
    select c.id
    from nearest v cross join lateral (
      select c.id from chunks c join documents d on d.id = c.document_id
      where c.input_hash = v.input_hash and {live} order by c.id limit 1) c
    order by v.distance, c.id limit :n
"""

NEAREST = f"with {_NEAREST_OF.format(embedding='embedding', joined='', live=_LIVE)}"

# The index covers all workspaces: iterative scan continues until it has enough vectors of this one. With Postgres's
# default for `random_page_cost`, which is for spinning disks, the planner would read all chunks of a workspace rather
# than look up a few hundred.
SEARCH_SETTINGS = (
    ("ivfflat.probes", str(PROBES)),
    ("ivfflat.iterative_scan", "relaxed_order"),
    ("random_page_cost", "1.1"),
    *SETTINGS,
)


def indexed(dim: int, *, is_filtered: bool = False) -> str:
    """Return the template that uses the index on vectors of a dimension. Slow without the index.

    With a filter, the scan of the index continues until it has `oversample` vectors of chunks that are searched.
    """
    searched = f"""cross join lateral (
        select from chunks c join documents d on d.id = c.document_id
        where c.input_hash = v.input_hash and {_LIVE} limit 1) live"""
    joined = searched if is_filtered else ""
    return f"with {_NEAREST_OF.format(embedding=indexed_vector(dim), joined=joined, live=_LIVE)}"


DENSE = f"""
    select id from (
      select distinct on (c.input_hash) c.id, v.embedding <=> cast(:vector as halfvec) as distance
      from vectors v
      join chunks c on c.workspace_id = v.workspace_id and c.input_hash = v.input_hash
      join documents d on d.id = c.document_id
      where v.model_id = :model_id and v.workspace_id = :workspace_id and {_LIVE}
      order by c.input_hash, c.id) c
    order by distance, id limit :n
"""

CHUNKS = f"""
    select string_agg(int8send(id), ''::bytea) from (
      select c.id from documents d join chunks c on c.document_id = d.id where {_LIVE}
      limit cast(:most as integer) + 1) c
"""

DENSE_OF_CHUNKS = """
    select id from (
      select distinct on (c.input_hash) c.id, v.embedding <=> cast(:vector as halfvec) as distance
      from unnest(cast(:chunks as bigint[])) wanted join chunks c on c.id = wanted
      join vectors v on v.input_hash = c.input_hash
      where c.workspace_id = :workspace_id and v.model_id = :model_id and v.workspace_id = :workspace_id
      order by c.input_hash, c.id) c
    order by distance, id limit :n
"""

# Row-level security keeps Postgres from using an index for a condition that may fail, such as a cast of text.
_WANTED = "unnest(cast(:chunks as bigint[])) with ordinality as wanted (id, place)"

LIVE_CHUNKS = f"""
    select id from (
      select distinct on (c.input_hash) c.id, wanted.place
      from {_WANTED} join chunks c on c.id = wanted.id join documents d on d.id = c.document_id
      where {_LIVE} order by c.input_hash, c.id) c
    order by place, id limit :n
"""

MATCHES = f"""
    select c.id, c.input_hash, d.date, d.placement is not distinct from 'pinned' as is_pinned, d.language,
      1 - (v.embedding <=> cast(:vector as halfvec)) as similarity
    from {_WANTED} join chunks c on c.id = wanted.id and c.workspace_id = :workspace_id
    join documents d on d.id = c.document_id
    left join vectors v on v.model_id = cast(:model_id as integer) and v.workspace_id = c.workspace_id
      and v.input_hash = c.input_hash
"""

# How much nearer each candidate is to the best texts, by their weights, than to all nearest ones: Rocchio's feedback. A
# text is no evidence of itself. Vectors are looked up by their key, also if the planner expects one row; the mean is
# materialized, or it would be computed for each row.
FEEDBACK = f"""
    with candidates as materialized (
      select c.id, c.input_hash, v.embedding
      from {_WANTED} join chunks c on c.id = wanted.id and c.workspace_id = :workspace_id
      cross join lateral (
        select embedding from vectors v where v.model_id = cast(:model_id as integer)
          and v.workspace_id = :workspace_id and v.input_hash = c.input_hash offset 0) v),
    best as materialized (
      select c.input_hash, c.embedding, b.weight
      from unnest(cast(:best as bigint[]), cast(:weights as float[])) as b (id, weight)
      join candidates c on c.id = b.id),
    nearest as materialized (
      select avg(embedding) as mean from candidates where id = any(cast(:nearest as bigint[])))
    select c.id, coalesce((c.embedding <#> nearest.mean) - (
        select sum(b.weight * (c.embedding <#> b.embedding)) / sum(b.weight) from best b
        where b.input_hash <> c.input_hash), 0) as gain
    from candidates c cross join nearest
"""

# Each piece of a text is read at the cost of the whole text. So a gap is read only between two candidates.
PASSAGES = f"""
    select d.id as document_id, d.key, d.title, d.url, d.media_type, d.language, c.heading_path, c.ordinal,
      substr(d.text, c.start_offset + 1, c.end_offset - c.start_offset) as text, c.start_offset as start,
      nullif(width_bucket(c.start_offset, d.page_starts), 0) as page,
      c.end_offset as "end", to_json(c.markup) as markup, c.token_count as tokens,
      substr(d.text, c.header_start + 1, c.header_end - c.header_start) as table_header,
      substr(d.text, before.end_offset + 1, c.start_offset - before.end_offset) as gap,
      (select count(distinct o.document_id) from chunks o join documents d on d.id = o.document_id
        where o.workspace_id = :workspace_id and o.input_hash = c.input_hash and {_SEARCHED}) as documents
    from {_WANTED} join chunks c on c.id = wanted.id join documents d on d.id = c.document_id
    left join chunks before on before.document_id = c.document_id and before.ordinal = c.ordinal - 1
      and before.workspace_id = c.workspace_id and c.start_offset - before.end_offset between 0 and :max_gap
      and before.id = any(cast(:candidates as bigint[]))
    where d.workspace_id = :workspace_id and c.workspace_id = :workspace_id
    order by wanted.place
"""
