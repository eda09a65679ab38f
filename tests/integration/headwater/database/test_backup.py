"""Backup, restore and downgrade as described in `docs/operations.md`, with Postgres's own programs."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from headwater.database.migrations import downgrade, upgrade
from headwater.database.transactions import ALL_WORKSPACES, REVISION, NotReady, owner_transaction, set_search_path
from scripts.local.postgres import Cluster, temporary_cluster
from tests.harness.databases import FreshDatabase, connected, describe, run_client
from tests.harness.paths import ROOT
from tests.harness.pipeline import Pipeline, Repository, running_pipeline
from tests.harness.ports import free_port
from tests.harness.support import OTHER_WORKSPACE, add_run, add_workspace

pytestmark = [
    pytest.mark.direct,
    pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes a repository with it"),
]

VERSIONS = ROOT / "shared" / "headwater" / "database" / "migrations" / "versions"
EARLIER_REVISIONS = sorted(path.name.partition("_")[0] for path in VERSIONS.glob("*.py"))[:-1]


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Cluster]:
    """Another server, without our roles and databases."""
    with tempfile.TemporaryDirectory(prefix="headwater-test-") as folder:
        Path(folder).chmod(0o755)
        with temporary_cluster(Path(folder) / "pg", free_port()) as cluster:
            yield cluster


@pytest.fixture
def collected(database: FreshDatabase, tmp_path: Path) -> Iterator[Pipeline]:
    """A database with a collected source in one workspace, and a run in another."""
    repository = Repository(tmp_path / "repository")
    repository.write({f"d{n}.md": f"# Document {n}\n\nWater rises to mark {n}.\n" for n in range(12)})
    with running_pipeline(database) as pipeline:
        assert pipeline.collect(pipeline.add_source(repository.url)).state == "succeeded"
        add_workspace(pipeline.database, OTHER_WORKSPACE)
        add_run(pipeline.database, OTHER_WORKSPACE)
        yield pipeline


def restore(cluster: Cluster, dump: Path) -> FreshDatabase:
    """Restore a dump with the commands of the page."""
    cluster.execute("create database restored")
    run_client(cluster, "psql", "restored", "--command=create role app login", "--command=create extension vector")
    run_client(cluster, "pg_restore", "restored", "--no-owner", "--exit-on-error", "--single-transaction", str(dump))
    restored = describe(cluster, "restored")
    upgrade(restored.admin_url, restored.url)
    return restored


def test_restored_backup_has_all_rows_and_row_level_security(
    collected: Pipeline, database: FreshDatabase, postgres: Cluster, elsewhere: Cluster, tmp_path: Path
) -> None:
    dump = tmp_path / "headwater.dump"
    run_client(postgres, "pg_dump", database.name, "--format=custom", "--schema=headwater", f"--file={dump}")
    restored = Pipeline(restore(elsewhere, dump))
    restored.database.check_ready()
    assert restored.contents() == collected.contents()
    assert len(restored.rows("select id from documents")) == 12
    assert restored.rows("select count(*) from runs") == [(1,)]
    with restored.database.transaction(OTHER_WORKSPACE) as tx:
        assert tx.execute(sa.text("select count(*) from documents")).scalar_one() == 0
    with restored.database.transaction(ALL_WORKSPACES) as tx:
        assert tx.execute(sa.text("select count(*) from runs")).scalar_one() == 2
        with pytest.raises(sa.exc.ProgrammingError, match="must be owner"), tx.begin_nested():
            tx.exec_driver_sql("alter table documents disable row level security")
    source = restored.rows("select id from sources")[0][0]
    assert restored.rows("update runs set trigger = 'schedule' where source_id = :id returning 1", id=source) == [(1,)]
    restored.database.close()


def structure(cluster: Cluster, database: FreshDatabase) -> list[str]:
    """Return the schema as lines of SQL, without psql's lines with a random key."""
    dump = run_client(cluster, "pg_dump", database.name, "--schema-only", "--schema=headwater")
    return [line for line in dump.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]


def upgrade_to(database: FreshDatabase, revision: str) -> None:
    """Run the migrations up to one."""
    with owner_transaction(database.admin_url) as tx:
        set_search_path(tx)
        config = Config()
        config.set_main_option("script_location", str(VERSIONS.parent))
        config.attributes["connection"] = tx
        command.upgrade(config, revision)


def test_each_migration_can_be_repeated_after_a_downgrade(database: FreshDatabase, postgres: Cluster) -> None:
    """Down one by one and up again: at each revision the structure is the same both times."""
    head = structure(postgres, database)
    structures = {}
    with connected(database.url) as db:
        add_run(db, add_workspace(db))
        for revision in reversed(EARLIER_REVISIONS):
            downgrade(database.admin_url, revision)
            with pytest.raises(NotReady, match=f"at revision {revision}; {REVISION} is required"):
                db.check_ready()
            structures[revision] = sorted(structure(postgres, database))
        for revision in EARLIER_REVISIONS[1:]:
            upgrade_to(database, revision)
            assert sorted(structure(postgres, database)) == structures[revision], revision
        upgrade(database.admin_url, database.url)
        db.check_ready()
        with db.transaction(ALL_WORKSPACES) as tx:
            assert tx.execute(sa.text("select count(*) from runs")).scalar_one() == 1
    assert sorted(structure(postgres, database)) == sorted(head)
