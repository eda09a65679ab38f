"""Tags and dates of documents, for filters and facets; conversations remember a filter.

Revision ID: 0015
"""

from alembic import op

revision = "0015"
down_revision = "0014"

# The day at the beginning of a text, as in 2024-03-01T10:00:00Z; null if there is none.
_ISO_DAY = """
create function iso_day(value text) returns date language sql immutable parallel safe
return (
  select case when month between 1 and 12 and year > 0 then
    case when day between 1 and extract(day from make_date(year, month, 1) + interval '1 month' - interval '1 day')
      then make_date(year, month, day) end end
  from regexp_match(value, '^\\s*([0-9]{4})-([0-9]{2})-([0-9]{2})(?![0-9])') parts,
    lateral (select cast(parts[1] as integer), cast(parts[2] as integer), cast(parts[3] as integer))
      date (year, month, day)
)
"""

# The day of the first field with one: of the change, else of the publication; else the one that the file's name begins
# with.
_DATE = """
create function document_date(front_matter jsonb, key text) returns date language sql immutable parallel safe
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
  iso_day(substring(key from '(?:^|/)([0-9]{4}-[0-9]{2}-[0-9]{2})(?![0-9])[^/]*$')))
"""

# In lower case, without `#`. A tag `a/b` is also the tag `a`. A string is a list separated by commas, or else by spaces
# where Jekyll and Obsidian do so.
_TAGS = """
create function document_tags(front_matter jsonb) returns text[] language sql immutable parallel safe
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
        when lower(name) in ('tags', 'categories') then regexp_split_to_array(item #>> '{}', '\\s+')
        else array[item #>> '{}'] end) part,
      lateral left(ltrim(lower(btrim(regexp_replace(part, '\\s+', ' ', 'g'))), '#'), 100) whole,
      generate_series(1, least(1 + length(whole) - length(replace(whole, '/', '')), 5)) levels
    where lower(name) in ('tags', 'tag', 'keywords', 'categories', 'category')
      and jsonb_typeof(item) in ('string', 'number') and whole <> ''
    limit 200) one
)
"""


def upgrade() -> None:
    """Add the functions and columns. Documents are rewritten, with the values of what is stored."""
    for function in (_ISO_DAY, _DATE, _TAGS):
        op.execute(function)
    op.execute("""
        alter table documents
          add column date date generated always as (document_date(front_matter, key)) stored,
          add column tags text[] not null generated always as (document_tags(front_matter)) stored
    """)
    op.execute("alter table conversations add column filter text not null default ''")


def downgrade() -> None:
    """Drop them."""
    op.execute("alter table conversations drop column filter")
    op.execute("alter table documents drop column date, drop column tags")
    op.execute("drop function document_tags, document_date, iso_day")
