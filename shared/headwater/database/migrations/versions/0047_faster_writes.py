"""Write documents, links and postings with less work: cheaper functions, indexes and statistics.

Revision ID: 0047
"""

from alembic import op

revision = "0047"
down_revision = "0046"

# Most documents have neither a date nor tags. Postgres inlines the outer functions, so that these documents cost the
# comparison of a text instead of a query each.
_DATE = """
create function find_document_date(front_matter jsonb, key text) returns date language sql immutable parallel safe
return coalesce(
  (select iso_day(coalesce(value ->> 'date', value #>> '{}'))
   from (values (1, front_matter), (2, front_matter -> 'extra'), (3, front_matter -> 'params')) tables (nr, fields),
     lateral jsonb_each(case when jsonb_typeof(fields) = 'object' then fields end) field (name, value),
     lateral array_position(array['updated', 'updated_at', 'last_updated', 'lastupdated', 'last_update', 'lastmod',
       'last_modified', 'modified', 'modified_at', 'date', 'published', 'published_at', 'publishdate', 'pubdate',
       'created', 'created_at'], lower(replace(name, '-', '_'))) place
   where place is not null and jsonb_typeof(value) in ('string', 'object')
     and iso_day(coalesce(value ->> 'date', value #>> '{}')) is not null
   order by nr, place limit 1),
  iso_day(substring(key from '(?:^|/)([0-9]{4}-[0-9]{2}-[0-9]{2})(?![0-9])[^/]*$')));

create or replace function document_date(front_matter jsonb, key text) returns date
  language sql immutable parallel safe
return case
  when lower(cast(front_matter as text)) ~ '"(updated|last|modified|date"|publish|pubdate|created)'
    or key ~ '(^|/)[0-9]{4}-[0-9]{2}-[0-9]{2}' then find_document_date(front_matter, key) end
"""

_TAGS = r"""
create function find_document_tags(front_matter jsonb) returns text[] language sql immutable parallel safe
return (
  select coalesce(array_agg(distinct tag order by tag), '{}') from (
    select array_to_string((string_to_array(whole, '/'))[1 : levels], '/') as tag
    from (values (front_matter), (front_matter -> 'taxonomies'), (front_matter -> 'extra'), (front_matter -> 'params'))
        tables (fields),
      lateral jsonb_each(case when jsonb_typeof(fields) = 'object' then fields end) field (name, value),
      lateral jsonb_path_query(value, '$[*]') item,
      lateral unnest(case
        when jsonb_typeof(value) <> 'string' then array[item #>> '{}']
        when item #>> '{}' like '%,%' then string_to_array(item #>> '{}', ',')
        when lower(name) in ('tags', 'categories') then regexp_split_to_array(item #>> '{}', '\s+')
        else array[item #>> '{}'] end) part,
      lateral left(ltrim(lower(btrim(regexp_replace(part, '\s+', ' ', 'g'))), '#'), 100) whole,
      generate_series(1, least(1 + length(whole) - length(replace(whole, '/', '')), 5)) levels
    where lower(name) in ('tags', 'tag', 'keywords', 'categories', 'category')
      and jsonb_typeof(item) in ('string', 'number') and whole <> ''
    limit 200) one
);

create or replace function document_tags(front_matter jsonb) returns text[] language sql immutable parallel safe
return case
  when lower(cast(front_matter as text)) ~ '"(tags?|keywords|categor(y|ies))"' then find_document_tags(front_matter)
  else '{}' end
"""

# Most links have no target when they are stored.
_TARGETS = """
drop index ix_relations_target;
create index ix_relations_target on relations (target_document_id) where target_document_id is not null
"""

# A trigger deletes the postings of a segment, which costs nothing for each posting that is stored; a foreign key did.
# Postings are numbers that compress little.
_POSTINGS = """
alter table word_postings drop constraint fk_word_postings_segment, alter column postings set storage external;

create function delete_postings() returns trigger language plpgsql set search_path = headwater, pg_temp as $$
begin
  delete from word_postings p using deleted where p.segment_id = deleted.id;
  return null;
end $$;

create trigger delete_postings after delete on word_segments referencing old table as deleted
  for each statement execute function delete_postings()
"""

# Tables that have doubled instead of grown by a quarter: a table that a first run fills is read a third as often.
_STATISTICS = """
create or replace function refresh_statistics() returns void language plpgsql security definer
  set search_path = headwater, pg_temp as $$
declare
  grown text;
begin
  for grown in
    select format('analyze (skip_locked) %I (%s)', c.relname, known.columns)
    from (values
      ('run_items', 'run_id, key, batch, action, state'),
      ('documents', 'workspace_id, source_id, key, deleted_at'),
      ('chunks', 'workspace_id, document_id, input_hash'),
      ('relations', 'workspace_id, document_id, target_document_id'),
      ('vectors', 'model_id, workspace_id, input_hash')) as known (name, columns)
    join pg_class c on c.relkind = 'r' and (c.oid = cast(known.name as regclass)
      or c.oid in (select inhrelid from pg_inherits where inhparent = cast(known.name as regclass)))
    where pg_relation_size(c.oid) / current_setting('block_size')::integer > c.relpages * FACTOR
    order by c.oid
  loop
    execute grown;
  end loop;
end $$
"""


def upgrade() -> None:
    """Replace them. The previous revision runs with them; what is stored stays the same."""
    for statements in (_DATE, _TAGS, _TARGETS, _POSTINGS, _STATISTICS.replace("FACTOR", "2")):
        op.execute(statements)


def downgrade() -> None:
    """Restore the foreign key, the index and the functions."""
    op.execute(_STATISTICS.replace("FACTOR", "1.25"))
    op.execute("drop trigger delete_postings on word_segments")
    op.execute("drop function delete_postings()")
    op.execute("""
        alter table word_postings alter column postings set storage extended, add constraint fk_word_postings_segment
          foreign key (segment_id) references word_segments on delete cascade
    """)
    op.execute("drop index ix_relations_target")
    op.execute("create index ix_relations_target on relations (target_document_id)")
    for function, others in ((_DATE, "document_date"), (_TAGS, "document_tags")):
        body = function.partition(";\n\n")[0]
        op.execute(body.replace(f"create function find_{others}", f"create or replace function {others}"))
        op.execute(f"drop function find_{others}")
