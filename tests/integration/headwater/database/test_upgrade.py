"""Upgrade a database with data of an earlier release, dumped by that release's pg_dump (`tests/data/schema-*.sql`).

The dump has a collected source: three pages, a removed one, their vectors, and a conversation.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from functions.chat.retrieval.search import Search
from functions.collection.sources import sources
from headwater.database.migrations import upgrade
from headwater.database.transactions import NotReady, owner_transaction
from headwater.embedding.constant import ConstantEmbedder
from headwater.words.backfill import count_missing_words
from scripts.local.postgres import Cluster
from tests.harness.databases import FreshDatabase, describe
from tests.harness.paths import DATA
from tests.harness.pipeline import Pipeline, Repository, running_pipeline
from tests.harness.support import WORKSPACE

pytestmark = [
    pytest.mark.direct,
    pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes a repository with it"),
]

PAGES = {
    "index.md": "# Pumps\n\nA pump lifts water. See [valves](valves.md).\n",
    "valves.md": "---\ntitle: Valves\n---\n\n# Valves\n\nA valve stops water. Back to [pumps](index.md#pumps).\n\n"
    "## Repair\n\nReplace the seal.\n",
    "tanks.md": "# Tanks\n\nA tank stores water.\n",
}
"""The repository at the commit that the dump's last run collected."""

_numbers = count(1)


@pytest.fixture(params=["public", "extensions"])
def earlier(migrated_postgres: Cluster, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FreshDatabase]:
    """The earlier release's database, with pgvector in one of its usual schemas."""
    cluster, schema, name = migrated_postgres, request.param, f"earlier_{next(_numbers)}"
    cluster.execute(f"create database {name}")
    cluster.execute(f"create schema if not exists {schema}", f"create extension vector schema {schema}", database=name)
    dump = (DATA / "schema-0003.sql").read_text().replace("public.halfvec", f"{schema}.halfvec")
    done = subprocess.run(
        [cluster.program("psql"), cluster.url(name).replace("+pg8000", ""), "--quiet", "--set=ON_ERROR_STOP=1"],
        input=dump,
        env=os.environ | {"PGOPTIONS": "-c client_min_messages=warning"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    yield describe(cluster, name)
    cluster.execute(f"drop database {name} with (force)")


def test_upgraded_database_keeps_its_data_and_works(earlier: FreshDatabase, tmp_path: Path) -> None:
    pipeline = Pipeline(earlier)
    with pipeline.closing, pytest.raises(NotReady, match="at revision 0003"):
        pipeline.database.check_ready()
    upgrade(earlier.admin_url, earlier.url)
    with running_pipeline(earlier) as pipeline:
        pipeline.database.check_ready()
        assert count_missing_words(earlier.admin_url) == len(PAGES) + 1
        assert count_missing_words(earlier.admin_url) == 0
        assert pipeline.rows("select count(*) from chunks where words is null") == [(0,)]
        assert pipeline.rows("select key from documents where deleted_at is not null") == [("old.md",)]
        assert pipeline.rows("select count(*) from vectors") == [(4,)]
        assert pipeline.rows("select role from messages order by ordinal") == [("user",), ("assistant",)]
        first = "select min(ordinal) from messages"
        assert pipeline.rows(
            f"select distinct p.ordinal = ({first}) from messages m join messages p on p.id = m.parent_id"
        ) == [(True,)]
        search = Search(pipeline.database, lambda _: ConstantEmbedder())
        search.check()
        assert search(WORKSPACE, "What stores water?", 1)[0].key == "tanks.md"
        check_next_collects(pipeline, Repository(tmp_path / "repository"))


def test_upgrade_repairs_databases_of_an_early_migration(earlier: FreshDatabase) -> None:
    definition = "select pg_get_functiondef('headwater.refresh_statistics'::regproc)"
    with owner_transaction(earlier.admin_url) as tx:
        complete = tx.exec_driver_sql(definition).scalar_one()
        assert "analyze (skip_locked) " in complete
        early = complete.replace("analyze (skip_locked) ", "analyze ")
        tx.exec_driver_sql(early)
        tx.exec_driver_sql("drop index headwater.ix_documents_live")
    upgrade(earlier.admin_url, earlier.url)
    with owner_transaction(earlier.admin_url) as tx:
        assert "analyze (skip_locked) " in tx.exec_driver_sql(definition).scalar_one()
        index = tx.exec_driver_sql("select indexdef from pg_indexes where indexname = 'ix_documents_live'").scalar_one()
        assert index.endswith("documents USING btree (workspace_id, key, id) WHERE (deleted_at IS NULL)")


def check_next_collects(pipeline: Pipeline, repository: Repository) -> None:
    """Collect the unchanged pages, which the newer parser reads again, then a changed one."""
    repository.write(PAGES)
    [(source_id,)] = pipeline.rows(
        "update sources set config = jsonb_set(config, '{url}', to_jsonb(cast(:url as text))) returning id",
        url=repository.url,
    )
    with pipeline.database.transaction(WORKSPACE) as tx:
        source = sources.read_source(tx, WORKSPACE, source_id)
    chunks = pipeline.contents()[1]
    unchanged = pipeline.collect(source)
    assert (unchanged.state, unchanged.counts.changed, unchanged.counts.embedded) == ("succeeded", 3, 0)
    assert pipeline.contents()[1] == chunks
    repository.write({"tanks.md": "# Tanks\n\nA tank holds oil.\n"})
    changed = pipeline.collect(source)
    assert (changed.state, changed.counts.changed, changed.counts.embedded) == ("succeeded", 1, 1)
    assert pipeline.live_keys() == ["index.md", "tanks.md", "valves.md"]
    assert pipeline.links() == [("index.md", "valves.md"), ("valves.md", "index.md")]
