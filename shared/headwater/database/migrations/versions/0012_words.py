"""Store the words of chunks for BM25, and index them by word.

Revision ID: 0012
"""

from alembic import op

revision = "0012"
down_revision = "0011"

# `words` maps a word's number to how often the chunk contains it, `word_count` is their sum: null for chunks that the
# previous revision stores until they are analysed. That revision fills and reads `lexemes`.
#
# A document's chunks are scanned for words until a step indexes the document into a segment, `word_segment_id`.
# Segments never change. They may contain chunks that are gone: ids are not used again.
_TABLES = """
alter table chunks alter column lexemes drop not null;
alter table chunks add column words sparsevec;
alter table chunks add column word_count integer;
alter table documents add column language text;
alter table documents add column word_segment_id bigint;
create index ix_documents_language on documents (workspace_id, language);
create index ix_documents_not_indexed on documents (workspace_id) where word_segment_id is null;
create index ix_documents_word_segment on documents (word_segment_id) where word_segment_id is not null;

create table word_segments (
  id bigint generated always as identity constraint pk_word_segments primary key,
  workspace_id uuid not null constraint fk_word_segments_workspace references workspaces on delete cascade,
  first_chunk_id bigint not null,
  chunks integer not null,
  words bigint not null
);
create index ix_word_segments_workspace on word_segments (workspace_id);

-- Eight bytes for each of `chunks` chunks with the word, by id: its id less `first_chunk_id` (4), how often it contains
-- the word (2), and its `word_count` (2).
create table word_postings (
  segment_id bigint not null constraint fk_word_postings_segment references word_segments on delete cascade,
  workspace_id uuid not null,
  word integer not null,
  chunks integer not null,
  postings bytea not null,
  constraint pk_word_postings primary key (segment_id, word)
);
"""

_HERE = "workspace_id = (select nullif(nullif(current_setting('app.workspace_id', true), ''), '*')::uuid)"


def upgrade() -> None:
    """Add the columns and tables."""
    op.execute(_TABLES)
    for table in ("word_segments", "word_postings"):
        op.execute(f"alter table {table} enable row level security")
        op.execute(f"create policy workspace on {table} using ({_HERE}) with check ({_HERE})")
        op.execute(f"grant select, insert, update, delete on {table} to app")


def downgrade() -> None:
    """Drop them; chunks stored since have no `lexemes`, so that full text doesn't find them."""
    op.execute("drop table word_postings, word_segments")
    op.execute("alter table documents drop column word_segment_id, drop column language")
    op.execute("alter table chunks drop column word_count, drop column words")
    op.execute("update chunks set lexemes = '' where lexemes is null")
    op.execute("alter table chunks alter column lexemes set not null")
