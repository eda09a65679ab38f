"""Build embedding models while another one is active, and switch between them.

Revision ID: 0022
"""

from alembic import op

revision = "0022"
down_revision = "0021"

# `activated_at`: when the model last became the active one. `activates`: it does so once nothing is missing.
# `is_configured`: EMBEDDING_MODEL named it at the last `migrate`.
# A run that builds a model belongs to a workspace instead of a source.
_TABLES = """
alter table embedding_models drop constraint ck_embedding_models_state;
alter table embedding_models add constraint ck_embedding_models_state
  check (state in ('registered', 'building', 'active', 'retired'));
alter table embedding_models add column activated_at timestamptz;
alter table embedding_models add column activates boolean not null default false;
alter table embedding_models add column is_configured boolean not null default false;
update embedding_models set activated_at = case when state = 'active' then now() else created_at end,
  is_configured = state = 'active';

alter table runs alter column source_id drop not null;
alter table runs add column building_model_id integer;
alter table runs drop constraint ck_runs_kind;
alter table runs add constraint ck_runs_kind
  check (kind in ('collect', 'retry', 'removal', 'restore', 'dry_run', 'upload', 'build'));
alter table runs add constraint ck_runs_source check ((source_id is null) = (kind = 'build'));
alter table runs add constraint ck_runs_model check ((building_model_id is not null) = (kind = 'build'));
create unique index uq_runs_building on runs (workspace_id, building_model_id)
  where state = 'running' and building_model_id is not null;
-- The progress of a model, and its last run in each workspace.
create index ix_runs_model on runs (building_model_id, workspace_id, created_at desc)
  where building_model_id is not null;
"""

# `app` may neither change models nor see other workspaces' chunks. Its rights are these functions. Each that changes a
# model adds an entry to the audit log of every workspace, since the model is the installation's.
_FUNCTIONS = """
create function record_model_change(actor text, action text, model text, details jsonb) returns void language sql
  set search_path = headwater, pg_temp
begin atomic
  insert into audit_log (workspace_id, actor, actor_name, action, target, details)
  select w.id, actor, m.name, action, model, details
  from workspaces w left join members m on m.workspace_id = w.id and m.subject = actor;
end;
revoke all on function record_model_change from public;

-- Attaching a partition doesn't wait for searches; creating it as a partition would, and they would wait for it.
create function register_embedding_model(actor text, model text, model_dim integer) returns integer language plpgsql
  security definer set search_path = headwater, pg_temp as $$
declare
  new_id integer;
begin
  insert into embedding_models (name, dim, state) values (model, model_dim, 'registered')
  on conflict (name) do nothing returning id into new_id;
  if new_id is null then
    return (select id from embedding_models where name = model);
  end if;
  execute format('create table %I (like vectors including all)', 'vectors_' || new_id);
  execute format('alter table vectors attach partition %I for values in (%s)', 'vectors_' || new_id, new_id);
  perform record_model_change(actor, 'model.registered', model, '{}');
  return new_id;
end $$;

-- Texts of live chunks without a vector of the model, by workspace. `only_known`: those that the active model has.
create function missing_embeddings(model integer, only_known boolean)
  returns table (workspace_id uuid, texts bigint, tokens bigint) language sql stable
  security definer set search_path = headwater, pg_temp
begin atomic
  select t.workspace_id, count(*), sum(t.tokens)::bigint from (
    select c.workspace_id, c.input_hash, max(c.token_count) as tokens
    from chunks c join documents d on d.id = c.document_id and d.deleted_at is null
    where not exists (select 1 from vectors v
        where v.model_id = model and v.workspace_id = c.workspace_id and v.input_hash = c.input_hash)
      and (not only_known or exists (select 1 from vectors v
        where v.model_id = (select id from embedding_models where state = 'active')
          and v.workspace_id = c.workspace_id and v.input_hash = c.input_hash))
    group by c.workspace_id, c.input_hash) t
  group by t.workspace_id;
end;

create function build_embedding_model(actor text, model integer, activate boolean) returns boolean language plpgsql
  security definer set search_path = headwater, pg_temp as $$
declare
  model_name text;
begin
  update embedding_models set state = 'building', activates = activate
  where id = model and state <> 'active' and (state, activates) is distinct from ('building', activate)
  returning name into model_name;
  if model_name is not null then
    perform record_model_change(actor, 'model.building', model_name, jsonb_build_object('activate', activate));
  end if;
  return model_name is not null;
end $$;

-- Returns how many texts the active model has and this one lacks. It is not activated unless that is 0 or accepted.
create function activate_embedding_model(actor text, model integer, allow_missing boolean) returns bigint
  language plpgsql security definer set search_path = headwater, pg_temp as $$
declare
  missing bigint;
  previous text;
  model_name text;
begin
  lock table embedding_models in share row exclusive mode;
  select name into model_name from embedding_models where id = model and state <> 'active';
  if model_name is null then
    return 0;
  end if;
  select coalesce(sum(texts), 0) into missing from missing_embeddings(model, true);
  if missing > 0 and not allow_missing then
    return missing;
  end if;
  update embedding_models set state = 'retired', activates = false where state = 'active' returning name into previous;
  update embedding_models set state = 'active', activates = false, activated_at = clock_timestamp() where id = model;
  perform record_model_change(actor, 'model.switched', model_name,
    jsonb_strip_nulls(jsonb_build_object('previous', previous, 'missing', nullif(missing, 0))));
  return missing;
end $$;

-- Waits at most 3 seconds for searches and steps that use vectors; they wait for it as long.
create function drop_embedding_model(actor text, model integer) returns boolean language plpgsql
  security definer set search_path = headwater, pg_temp set lock_timeout = '3s' as $$
declare
  model_name text;
begin
  delete from embedding_models where id = model and state <> 'active' returning name into model_name;
  if model_name is null then
    return false;
  end if;
  execute format('drop table if exists %I', 'vectors_' || model);
  perform record_model_change(actor, 'model.deleted', model_name, '{}');
  return true;
end $$;

-- Ends the building of a model. Its runs are cancelled by the caller, workspace by workspace.
create function retire_embedding_model(model integer) returns void language sql
  security definer set search_path = headwater, pg_temp
begin atomic
  update embedding_models set state = 'retired', activates = false where id = model and state = 'building';
end;
"""

_CALLED_BY_APP = (
    "register_embedding_model",
    "missing_embeddings",
    "build_embedding_model",
    "activate_embedding_model",
    "drop_embedding_model",
    "retire_embedding_model",
)


def upgrade() -> None:
    """Add the columns and functions. The previous revision ignores them and runs without a source."""
    op.execute(_TABLES)
    op.execute(_FUNCTIONS)
    for name in _CALLED_BY_APP:
        op.execute(f"revoke execute on function {name} from public")
        op.execute(f"grant execute on function {name} to app")


def downgrade() -> None:
    """Drop them, with the runs that built models. Models that are not active count as retired; vectors are kept."""
    for name in (*_CALLED_BY_APP, "record_model_change"):
        op.execute(f"drop function {name}")
    op.execute("delete from runs where kind = 'build'")
    op.execute("drop index uq_runs_building, ix_runs_model")
    op.execute("alter table runs drop constraint ck_runs_kind, drop constraint ck_runs_source")
    op.execute("alter table runs drop constraint ck_runs_model, drop column building_model_id")
    op.execute("alter table runs alter column source_id set not null")
    op.execute("""alter table runs add constraint ck_runs_kind
      check (kind in ('collect', 'retry', 'removal', 'restore', 'dry_run', 'upload'))""")
    op.execute("update embedding_models set state = 'retired' where state = 'registered'")
    op.execute("alter table embedding_models drop constraint ck_embedding_models_state")
    op.execute("""alter table embedding_models add constraint ck_embedding_models_state
      check (state in ('building', 'active', 'retired'))""")
    op.execute(
        "alter table embedding_models drop column activated_at, drop column activates, drop column is_configured"
    )
