"""The functions' role: passwords that are set only if necessary, and several installations on one server."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from headwater.database.migrations import register_model, upgrade
from headwater.database.role import can_log_in, scram_verifier, set_password
from headwater.database.transactions import ALL_WORKSPACES, Database, owner_transaction
from headwater.errors import ConfigError
from scripts.local.postgres import Cluster
from tests.harness.databases import APP_PASSWORD
from tests.harness.support import WORKSPACE, add_workspace

pytestmark = pytest.mark.direct


@contextmanager
def databases(cluster: Cluster, *names: str) -> Iterator[None]:
    for name in names:
        cluster.execute(f"create database {name}")
    yield
    for name in names:
        cluster.execute(f"drop database {name} with (force)")


def stored_password(cluster: Cluster, role: str) -> str:
    with owner_transaction(cluster.url()) as tx:
        return str(tx.exec_driver_sql(f"select rolpassword from pg_authid where rolname = '{role}'").scalar_one())


def check(url: str) -> None:
    """Use a table, a function and a partition's parent as the functions' role."""
    database = Database(url, 1)
    try:
        database.check_ready()
        add_workspace(database)
        with database.transaction(WORKSPACE) as tx:
            tx.exec_driver_sql("select refresh_statistics()")
            assert tx.exec_driver_sql("select count(*) from vectors").scalar_one() == 0
            with pytest.raises(sa.exc.ProgrammingError, match="permission denied"), tx.begin_nested():
                tx.exec_driver_sql("select * from vectors_1")
            with pytest.raises(sa.exc.ProgrammingError, match="permission denied"), tx.begin_nested():
                tx.exec_driver_sql("delete from embedding_models")
    finally:
        database.close()


@pytest.mark.parametrize("password", ["app", "100%'s \\ of it", "Über\u00a0\u2168"])
def test_postgres_accepts_a_password_by_its_verifier(migrated_postgres: Cluster, password: str) -> None:
    cluster = migrated_postgres
    cluster.execute("create role verified")
    with owner_transaction(cluster.url()) as tx:
        set_password(tx, "verified", password)
    url = sa.make_url(cluster.url(role="verified")).set(password=password).render_as_string(hide_password=False)
    assert can_log_in(url)
    assert not can_log_in(cluster.url(role="verified", password="other"))
    cluster.execute("drop role verified")


def test_server_logs_no_password(migrated_postgres: Cluster) -> None:
    cluster = migrated_postgres
    cluster.execute("create role logged")
    with owner_transaction(cluster.url()) as tx:
        tx.exec_driver_sql("set local log_min_messages = log; set local log_statement = 'all'")
        set_password(tx, "logged", "correct-horse")
    cluster.execute("drop role logged")
    log = (Path(cluster.folder) / "log").read_text()
    assert 'alter role "logged"' in log
    assert "correct-horse" not in log


def test_migration_changes_the_password_only_if_it_does_not_work(migrated_postgres: Cluster) -> None:
    cluster = migrated_postgres
    with databases(cluster, "rotated"):
        urls = {word: cluster.url("rotated", role="app", password=word) for word in (APP_PASSWORD, "new")}
        before = stored_password(cluster, "app")
        upgrade(cluster.url("rotated"), urls[APP_PASSWORD])
        assert stored_password(cluster, "app") == before
        upgrade(cluster.url("rotated"), urls["new"])
        assert stored_password(cluster, "app") != before
        assert can_log_in(urls["new"])
        assert not can_log_in(urls[APP_PASSWORD])
        upgrade(cluster.url("rotated"), urls[APP_PASSWORD])


def test_password_that_cannot_be_set_is_in_no_message(migrated_postgres: Cluster) -> None:
    cluster = migrated_postgres
    cluster.execute("create role weak login createrole password 'weak'", "create role other login password 'other'")
    with databases(cluster, "weakly_owned"):
        cluster.execute("create extension vector", database="weakly_owned")
        cluster.execute("alter database weakly_owned owner to weak")
        admin_url = cluster.url("weakly_owned", role="weak", password="weak")
        with pytest.raises(
            ConfigError, match=r"can't change the role `other`: permission denied.*DATABASE_ROLE"
        ) as caught:
            upgrade(admin_url, cluster.url("weakly_owned", role="other", password="s3cret-word"), role="other")
        error: BaseException | None = caught.value
        while error is not None:
            assert "s3cret-word" not in str(error)
            assert "SCRAM-SHA-256$" not in str(error)
            error = error.__cause__ or error.__context__
        assert can_log_in(cluster.url(role="other", password="other"))
    cluster.execute("drop role weak", "drop role other")


def test_installations_on_one_server_have_roles_of_their_own(migrated_postgres: Cluster) -> None:
    cluster = migrated_postgres
    with databases(cluster, "first", "second"):
        first = cluster.url("first", role="app", password=APP_PASSWORD)
        second = cluster.url("second", role="hw_second", password="other")
        upgrade(cluster.url("first"), first)
        upgrade(cluster.url("second"), second, role="hw_second")
        for name, url in (("first", first), ("second", second)):
            register_model(cluster.url(name), "constant", 384)
            check(url)
        for name, role in (("first", "hw_second"), ("second", "app")):
            stranger = cluster.url(name, role=role, password="other" if role == "hw_second" else APP_PASSWORD)
            database = Database(stranger, 1)
            with pytest.raises(sa.exc.ProgrammingError), database.transaction(ALL_WORKSPACES) as tx:
                tx.exec_driver_sql("select * from headwater.runs")
            database.close()
    cluster.execute("drop role hw_second")


def test_new_role_of_an_installation_gets_the_rights_of_the_previous_one(migrated_postgres: Cluster) -> None:
    cluster = migrated_postgres
    with databases(cluster, "renamed"):
        before = cluster.url("renamed", role="app", password=APP_PASSWORD)
        after = cluster.url("renamed", role="user", password="other")  # a reserved word
        upgrade(cluster.url("renamed"), before)
        register_model(cluster.url("renamed"), "constant", 384)
        upgrade(cluster.url("renamed"), after, role="user")
        check(after)
        assert can_log_in(before)
    cluster.execute('drop role "user"')


def test_verifier_keeps_postgres_format(migrated_postgres: Cluster) -> None:
    made, stored = scram_verifier("app"), stored_password(migrated_postgres, "app")
    assert [len(part) for part in made.split("$")] == [len(part) for part in stored.split("$")]
