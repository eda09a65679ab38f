"""The command `migrate`: which embedding model an installation gets."""

import os
import subprocess

from tests.harness.databases import FreshDatabase
from tests.harness.job_server import job_program
from tests.harness.paths import ROOT


def migrate(database: FreshDatabase, **environment: str) -> str:
    """Run the command; returns its last line."""
    inherited = {name: value for name, value in os.environ.items() if name != "EMBEDDING_MODEL"}
    urls = {"DATABASE_URL": database.url, "DATABASE_ADMIN_URL": database.admin_url}
    done = subprocess.run(
        [job_program(), "migrate"],
        env={**inherited, **urls, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_new_installation_gets_the_multilingual_model_and_others_keep_theirs(database: FreshDatabase) -> None:
    assert migrate(database).endswith("embedding model multilingual-e5-small-int8")
    assert migrate(database, EMBEDDING_MODEL="constant").endswith("embedding model constant")
    assert migrate(database).endswith("embedding model constant")
