"""The commands `keys` and `owner` of the job."""

import argparse
import json
import os
import subprocess
import sys
import uuid

import pytest
import sqlalchemy as sa

from functions.job.keys import add_keys_command
from functions.job.owner import add_owner_command
from headwater.auth.api_keys import hash_key, is_well_formed, make_key
from headwater.config import Settings
from headwater.database.transactions import Database
from headwater.errors import HeadwaterError
from tests.fakes.token_issuer import FakeIssuer
from tests.harness.databases import FreshDatabase, connected
from tests.harness.jwt_app import jwt_settings
from tests.harness.paths import ROOT
from tests.harness.support import add_workspace, rows

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def settings(database: FreshDatabase) -> Settings:
    return jwt_settings(database, FakeIssuer("EdDSA"), sign_up="invited")


def run(settings: Settings, *arguments: str) -> None:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    add_keys_command(commands)
    add_owner_command(commands)
    options = parser.parse_args(arguments)
    assert options.run(settings, options) == 0


def error_of(settings: Settings, *arguments: str) -> str:
    """Return the message of the command's error."""
    with pytest.raises(HeadwaterError) as caught:
        run(settings, *arguments)
    return caught.value.message


def test_first_owner_key_creates_the_workspace(settings: Settings, capsys: Captured) -> None:
    assert "keys create --role owner" in error_of(settings, "keys", "create")
    run(settings, "keys", "create", "--role", "owner", "--name", "deploy")
    captured = capsys.readouterr()
    key = captured.out.strip()
    assert is_well_formed(key)
    assert '"deploy"' in captured.err
    assert key not in captured.err
    [(stored, role, created_by)] = rows(settings, "select hash, role, created_by from api_keys")
    assert (stored, role, created_by) == (hash_key(key), "owner", "deployment")
    assert rows(settings, "select id, name from workspaces") == [(settings.local_workspace_id, "main")]


def test_same_hash_can_be_stored_again_unless_revoked(settings: Settings, capsys: Captured) -> None:
    key = make_key()
    for _ in range(2):
        run(settings, "keys", "create", "--role", "owner", "--hash", hash_key(key).hex())
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "already stored" in captured.err
    [(key_id, stored)] = rows(settings, "select id, hash from api_keys")
    assert stored == hash_key(key)
    run(settings, "keys", "revoke", str(key_id))
    assert "was revoked" in error_of(settings, "keys", "create", "--role", "owner", "--hash", hash_key(key).hex())


def test_key_is_not_printed_on_cloud_run(database: FreshDatabase, capsys: Captured) -> None:
    settings = jwt_settings(database, FakeIssuer("EdDSA"), cloud_run_job="headwater")
    assert "--hash" in error_of(settings, "keys", "create", "--role", "owner")
    assert rows(settings, "select 1 from workspaces") == []
    run(settings, "keys", "create", "--role", "owner", "--hash", "ab" * 32)


def test_names_of_keys_and_workspaces_are_escaped(settings: Settings, capsys: Captured) -> None:
    run(settings, "keys", "create", "--role", "owner", "--name", "\x1b]0;x\x07\u202eci\nworkspace")
    with connected(settings.database_url) as database, database.transaction(settings.local_workspace_id) as tx:
        tx.execute(sa.text("update workspaces set name = :name"), {"name": "\x9b2J\nid"})
    capsys.readouterr()
    run(settings, "keys", "list")
    listed = capsys.readouterr().out
    assert listed.replace("\n", "").isprintable()
    assert len(listed.splitlines()) == 2


def test_keys_are_listed_and_revoked(settings: Settings, capsys: Captured) -> None:
    run(settings, "keys", "create", "--role", "owner")
    options = ["--role", "editor", "--scopes", "collection,chat", "--expires-in-days", "30", "--name", "ci"]
    run(settings, "keys", "create", *options)
    key = capsys.readouterr().out.split()[1]
    run(settings, "keys", "list")
    listed = capsys.readouterr().out
    [line] = [line for line in listed.splitlines() if '"ci"' in line]
    assert f"hw_{key[3:7]}…: editor, chat, collection, expires 20" in line
    assert key not in listed
    run(settings, "keys", "revoke", line.split()[0])
    capsys.readouterr()
    run(settings, "keys", "list", "--workspace", str(settings.local_workspace_id))
    assert capsys.readouterr().out.count("revoked 20") == 1
    assert "keys list" in error_of(settings, "keys", "revoke", str(uuid.uuid4()))


def test_workspace_must_be_named_if_there_are_several(settings: Settings, database: FreshDatabase) -> None:
    db = Database(database.url, 1)
    first, second = (add_workspace(db, uuid.uuid4()) for _ in range(2))
    db.close()
    message = error_of(settings, "keys", "create")
    assert str(first) in message
    assert str(second) in message
    run(settings, "keys", "create", "--workspace", str(second))
    assert rows(settings, "select workspace_id from api_keys") == [(second,)]
    assert "Workspace not found" in error_of(settings, "keys", "create", "--workspace", str(uuid.uuid4()))
    assert "Workspace not found" in error_of(settings, "keys", "list", "--workspace", str(uuid.uuid4()))


def test_owner_command_can_be_repeated(settings: Settings, capsys: Captured) -> None:
    run(settings, "owner", "--subject", "ada", "--name", "Ada")
    run(settings, "owner", "--subject", "ada")
    run(settings, "owner", "--subject", "bob", "--workspace", str(settings.local_workspace_id))
    members = "select workspace_id, subject, role, name from members order by subject"
    workspace = settings.local_workspace_id
    assert rows(settings, members) == [(workspace, "ada", "owner", "Ada"), (workspace, "bob", "owner", None)]
    assert "already" in capsys.readouterr().out
    assert "sub" in error_of(settings, "owner", "--subject", "key:x")


def test_owner_command_promotes_a_member(settings: Settings) -> None:
    run(settings, "owner", "--subject", "ada")
    add = "insert into members (workspace_id, subject, role, name) values (:w, 'bob', 'reader', 'Bob')"
    with connected(settings.database_url) as database, database.transaction(settings.local_workspace_id) as tx:
        tx.execute(sa.text(add), {"w": settings.local_workspace_id})
    run(settings, "owner", "--subject", "bob")
    assert rows(settings, "select role, name from members where subject = 'bob'") == [("owner", "Bob")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["keys"], "required"),
        (["keys", "create", "--role", "king"], "invalid choice"),
        (["keys", "create", "--scopes", "chat,edge"], "edge: use any of accounts, chat"),
        (["keys", "create", "--expires-in-days", "0"], "1 to 3650"),
        (["keys", "create", "--hash", "hw_secret"], "never the key itself"),
        (["keys", "revoke", "x"], "invalid UUID"),
        (["owner"], "--subject"),
    ],
)
def test_invalid_command_line_is_rejected_with_the_reason(
    settings: Settings, capsys: Captured, arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as exited:
        run(settings, *arguments)
    assert exited.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert "hw_secret" not in error


def test_process_prints_only_the_key_on_stdout(settings: Settings) -> None:
    environment = {
        **os.environ,
        "DATABASE_URL": settings.database_url,
        "AUTH_MODE": "jwt",
        "AUTH_ISSUER": settings.auth_issuer,
        "AUTH_AUDIENCE": "a",
        "AUTH_SECRET": "s" * 32,
    }

    def job(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "functions.job", *arguments]
        return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)

    created = job("keys", "create", "--role", "owner")
    assert created.returncode == 0, created.stderr
    assert is_well_formed(created.stdout.strip())
    audit = [json.loads(line) for line in created.stderr.splitlines() if line.startswith("{")]
    assert [(entry["actor"], entry["change"]) for entry in audit] == [("deployment", "key.created")]
    failed = job("keys", "create", "--workspace", str(uuid.uuid4()))
    assert (failed.returncode, failed.stderr[:26]) == (1, "error: Workspace not found")
