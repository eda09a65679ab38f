"""Kill any process of the running stack with SIGKILL during a collect: the run must end with the same result.

If the supervisor is killed, all processes end.
"""

import json
import os
import shutil
import signal
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import sqlalchemy as sa

from headwater.config import Settings
from headwater.database.transactions import Database
from headwater.errors import DatabaseRefuses
from scripts.local.stack import read_dotenv
from tests.harness.databases import FreshDatabase, connected
from tests.harness.pipeline import Pipeline, Repository, running_pipeline
from tests.harness.stacks import RunningStack, have_ended, running_stack, temporary_data, wait_until

pytestmark = [
    pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it"),
    pytest.mark.long,
]

DOCUMENTS = 120


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository that takes long enough to kill a process during its collect. Some texts are in several files."""
    repository = Repository(tmp_path_factory.mktemp("repository"))
    section = "## Part {part} of {n}\n\nValve {n}.{part} opens when the water rises; see [next](d{next:03}.md).\n\n"
    files: dict[str, str | bytes | None] = {}
    for n in range(DOCUMENTS):
        parts = "".join(section.format(n=n, part=part, next=(n + 1) % DOCUMENTS) * 6 for part in range(6))
        files[f"docs/d{n:03}.md"] = f"# Document {n}\n\nThe same introduction in each of them.\n\n{parts}"
    repository.write(files)
    return repository


@pytest.fixture(scope="module")
def quick_stack() -> Iterator[RunningStack]:
    """A stack with short leases and a short watchdog interval, so that it recovers quickly."""
    with temporary_data() as data:
        (data / ".env").write_text("LEASE_S=3\nWATCHDOG_S=2\nFETCH_BATCH=8\nEMBED_BATCH=32\n")
        with running_stack(data, "--embedding-model", "constant") as running:
            yield running


@pytest.fixture(scope="module")
def expected_contents(module_database: FreshDatabase, repository: Repository) -> Iterator[tuple[list[Any], ...]]:
    """The database's contents after a collect without kills."""
    with running_pipeline(module_database) as pipeline:
        assert pipeline.collect(pipeline.add_source(repository.url)).state == "succeeded"
        yield pipeline.contents()


def call(stack: RunningStack, method: str, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    url = f"http://127.0.0.1:{stack.ports['collection']}{path}"
    headers = {"Content-Type": "application/json"} | stack.authorization
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as response:
        content = response.read()
    return json.loads(content) if content else None


def read_run(stack: RunningStack, run_id: str) -> dict[str, Any]:
    """Read a run. While its function or the database is down, return a running one without progress."""
    try:
        run: dict[str, Any] = call(stack, "GET", f"/api/runs/{run_id}")
    except OSError:
        return {"state": "running", "total": None, "counts": {"added": 0, "embedded": 0}}
    return run


def has_begun(stack: RunningStack, run_id: str, counter: str) -> bool:
    """Return whether a run has counted something. Fails if the run has ended: then it is too late to kill a process."""
    run = read_run(stack, run_id)
    assert run["state"] == "running"
    return bool(run["counts"][counter] > 0)


@pytest.fixture
def contents(quick_stack: RunningStack) -> Iterator[Pipeline]:
    """The stack's database, empty after the test."""
    settings = read_dotenv(quick_stack.data / "env")
    database = FreshDatabase("stack", settings["DATABASE_URL"], settings["DATABASE_ADMIN_URL"])
    pipeline = Pipeline(database)
    yield pipeline
    pipeline.database.close()
    with connected(database.admin_url) as owner:
        wait_until(lambda: empty(owner))


def empty(owner: Database) -> bool:
    """Empty the database. Returns False if that is a deadlock with one of the functions, which go on."""
    with suppress(DatabaseRefuses), owner.transaction(Settings(database_url="x").local_workspace_id) as tx:
        tx.execute(sa.text("truncate headwater.sources, headwater.vectors, headwater.tickets cascade"))
        return True
    return False


@pytest.mark.parametrize(
    ("victim", "moment"),
    [
        ("collection", "fetching"),
        ("embedding", "embedding"),
        ("localcloud", "fetching"),
        ("localcloud", "embedding"),
        ("postgres", "fetching"),
        ("postgres", "embedding"),
        ("edge", "fetching"),
    ],
)
def test_collect_completes_after_any_process_is_killed(
    quick_stack: RunningStack,
    repository: Repository,
    contents: Pipeline,
    expected_contents: tuple[list[Any], ...],
    victim: str,
    moment: str,
) -> None:
    config = {"url": repository.url}
    source = call(quick_stack, "POST", "/api/sources", {"kind": "git", "name": uuid.uuid4().hex, "config": config})
    run_id = call(quick_stack, "POST", f"/api/sources/{source['id']}/collect")["run_id"]
    counter = {"fetching": "added", "embedding": "embedded"}[moment]
    wait_until(lambda: has_begun(quick_stack, run_id, counter))
    os.kill(quick_stack.pids[victim], signal.SIGKILL)
    wait_until(lambda: read_run(quick_stack, run_id)["state"] != "running")
    run = read_run(quick_stack, run_id)
    assert (run["state"], run["counts"]["added"], run["failures"]) == ("succeeded", DOCUMENTS, [])
    assert run["counts"]["embedded"] + run["counts"]["reused"] == run["counts"]["chunks"]
    assert contents.contents() == expected_contents
    wait_until(lambda: contents.rows("select count(*) from steps where state in ('ready', 'running')") == [(0,)])


def test_all_processes_end_if_the_supervisor_is_killed(quick_stack: RunningStack) -> None:
    family = quick_stack.family()
    assert len(family) >= 2 * len(quick_stack.ports)
    quick_stack.supervisor.kill()
    quick_stack.supervisor.wait()
    assert have_ended(family)
