"""`scripts/dev`: start, restart and end the stack's processes; log to files; add the first source;
reject a port or a data folder that is in use.
"""

import json
import re
import shlex
import signal
import subprocess
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.harness.paths import ROOT
from tests.harness.ports import free_port, is_free
from tests.harness.stacks import FUNCTIONS, RunningStack, have_ended, running_stack, temporary_data, wait_until

pytestmark = pytest.mark.long

PARTS = ("edge", *FUNCTIONS, "localcloud", "postgres")


@pytest.fixture(scope="module")
def own_stack() -> Iterator[RunningStack]:
    """A stack with the first source, whose processes the tests may kill."""
    with (
        temporary_data(empty=True) as data,
        running_stack(data, "--embedding-model", "constant", first_source=True) as running,
    ):
        wait_until(lambda: b"Try a question" in running.log.read_bytes(), timeout_s=300)
        yield running


@pytest.fixture(scope="module")
def restarted(own_stack: RunningStack) -> Iterator[RunningStack]:
    """A stack with --verbose on the data of the first, whose source was removed and whose supervisor was killed.

    The process that ends the others in that case was killed, too.
    """
    [source] = sources(own_stack)
    assert (source["name"], source["documents"] > 0) == ("Headwater docs", True)
    url = f"{own_stack.url}/api/sources/{source['id']}"
    request = urllib.request.Request(url, headers=own_stack.authorization, method="DELETE")
    urllib.request.urlopen(request, timeout=120).close()
    secrets = (own_stack.data / "secrets.json").read_text()
    family = own_stack.family()
    (watcher,) = [process for process in family if "scripts.local.orphan_killer" in process.cmdline()]
    own_stack.supervisor.kill()
    watcher.kill()
    own_stack.supervisor.wait()
    assert not have_ended(family, timeout_s=1)
    with running_stack(
        own_stack.data,
        *("--embedding-model", "constant", "--verbose"),
        base_port=own_stack.base_port,
        first_source=True,
    ) as running:
        assert have_ended(family), "the next start ends the processes of a killed supervisor"
        assert (running.data / "secrets.json").read_text() == secrets
        yield running


def dev(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run `scripts/dev` where it is expected to fail."""
    return subprocess.run(
        [ROOT / "scripts" / "dev", *arguments], capture_output=True, text=True, check=False, timeout=60, cwd="/"
    )


def responds(stack: RunningStack, part: str, path: str) -> bool:
    try:
        stack.get(part, path, timeout_s=10)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
    return True


def test_every_part_responds_once_ready_is_printed(own_stack: RunningStack) -> None:
    assert json.loads(own_stack.get("edge", "/env"))["authMode"] == "local"
    assert b"<html" in own_stack.get("edge", "/").lower()
    for part in FUNCTIONS:
        own_stack.get(part, "/heartbeat")
        own_stack.get(part, "/ready")
    own_stack.get("localcloud", "/heartbeat")


def test_ready_is_followed_by_addresses(own_stack: RunningStack) -> None:
    lines = own_stack.log.read_text().partition("ready ")[2].splitlines()
    assert lines[:4] == [
        f"{own_stack.url}/#token={own_stack.token}",
        f"  API       {own_stack.url}/api/docs (token in {own_stack.data}/token)",
        f"  Database  postgresql://postgres@127.0.0.1:{own_stack.ports['postgres']}/headwater"
        f" (password in {own_stack.data}/pg/password)",
        f"  Logs      {own_stack.data}/logs/",
    ]


def test_first_start_prints_no_error(own_stack: RunningStack) -> None:
    assert not re.search("FATAL|ERROR|Traceback", own_stack.log.read_text().partition("ready ")[0])


def test_requests_are_logged_to_files_and_not_to_the_terminal(own_stack: RunningStack) -> None:
    own_stack.get("edge", "/api/sources")
    own_stack.get("chat", "/api/conversations")
    wait_until(lambda: any(one.get("path") == "/api/conversations" for one in own_stack.log_entries("chat")))
    wait_until(lambda: "GET /api/sources" in (own_stack.data / "logs" / "edge.log").read_text())
    assert b"/api/" not in own_stack.log.read_bytes().replace(b"/api/docs", b"")


def test_state_lists_processes_and_ports(own_stack: RunningStack) -> None:
    assert set(own_stack.pids) == {"supervisor", *PARTS}
    assert own_stack.pids["supervisor"] == own_stack.supervisor.pid
    assert sorted(own_stack.ports.values()) == list(range(own_stack.base_port, own_stack.base_port + 6))
    assert all(psutil.pid_exists(pid) for pid in own_stack.pids.values())


def test_env_file_can_be_sourced_by_a_shell(own_stack: RunningStack) -> None:
    file = own_stack.data / "env"
    assert file.stat().st_mode & 0o077 == 0
    command = f". {shlex.quote(str(file))} && exec .venv/bin/python -m functions.job migrate"
    completed = subprocess.run(
        ["/bin/sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert "embedding model constant" in completed.stdout


def test_files_are_readable_by_their_owner_only(own_stack: RunningStack) -> None:
    postgres = (own_stack.data / "pg").resolve()
    files = [path for path in own_stack.data.rglob("*") if postgres not in (path, *path.parents)]
    assert {"env", "token", "localcloud.db", "chat.log"} <= {path.name for path in files}
    files += [own_stack.data, postgres, postgres / "data", postgres / "password"]
    assert [path for path in files if not path.is_symlink() and path.stat().st_mode & 0o077] == []


def test_second_start_on_the_same_data_fails(own_stack: RunningStack) -> None:
    completed = dev("--data", own_stack.data, "--port", str(free_port()))
    assert completed.returncode != 0
    assert f"Headwater is already running on {own_stack.data} (process {own_stack.supervisor.pid})" in completed.stderr
    assert responds(own_stack, "chat", "/ready")


def test_port_in_use_is_named(own_stack: RunningStack) -> None:
    with temporary_data(empty=True) as data:
        completed = dev("--data", data, "--port", str(own_stack.base_port - 1))
    assert completed.returncode != 0
    assert f"Ports {own_stack.base_port} (chat), {own_stack.base_port + 1} (collection)" in completed.stderr
    assert "are in use. Stop the other process or run `scripts/dev --port 9000`." in completed.stderr


def test_invalid_settings_are_named_before_the_start() -> None:
    with temporary_data(empty=True) as data:
        data.mkdir()
        (data / ".env").write_text("LOG_LEVEL=loud\nAUTH_MODE=everyone\n")
        completed = dev("--data", data, "--port", str(free_port(in_a_row=6)))
    assert completed.returncode == 1
    assert completed.stderr.startswith("scripts/dev: Missing or invalid settings:\n")
    assert "LOG_LEVEL: 'loud'" in completed.stderr
    assert "AUTH_MODE: 'everyone'" in completed.stderr
    assert "|" not in completed.stdout


@pytest.mark.parametrize("part", PARTS)
def test_killed_part_is_restarted(own_stack: RunningStack, part: str) -> None:
    own_stack.kill(part)
    path = {"edge": "/env", "localcloud": "/heartbeat"}.get(part, "/ready")
    wait_until(lambda: responds(own_stack, "chat" if part == "postgres" else part, path))
    assert f"{part:<10} | exited (killed by SIGKILL), restarting in ".encode() in own_stack.log.read_bytes()


def test_worker_responds_again_after_its_runtime_crashed(own_stack: RunningStack) -> None:
    for process in own_stack.family():
        if process.name() == "workerd":
            process.kill()
    wait_until(lambda: responds(own_stack, "edge", "/env"))


def test_start_after_a_kill_ends_orphans_keeps_data_and_adds_no_first_source(restarted: RunningStack) -> None:
    assert not (restarted.data / "first-start").exists()
    assert sources(restarted) == []


def test_requests_are_logged_to_the_terminal_with_verbose(restarted: RunningStack) -> None:
    restarted.get("collection", "/api/sources")
    wait_until(lambda: b"collection | request service=collection" in restarted.log.read_bytes())


def test_ctrl_c_ends_all_processes(restarted: RunningStack) -> None:
    family = restarted.family()
    assert len(family) >= 2 * len(PARTS)
    restarted.supervisor.send_signal(signal.SIGINT)
    assert restarted.supervisor.wait(timeout=60) == 0
    assert have_ended(family)
    assert all(map(is_free, range(restarted.base_port, restarted.base_port + 6)))


def sources(stack: RunningStack) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(stack.get("edge", "/api/sources"))["sources"]
    return listed
