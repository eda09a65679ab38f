"""Sandboxes of both launchers, started by this user and by an unprivileged one."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from headwater.processes.process import ChildProcess
from headwater.sandbox.limits import Limits
from headwater.sandbox.runner import Launcher, Sandbox, probe
from tests.harness.sandbox_host import QUICK
from tests.harness.sandbox_user import SYSTEM_PYTHON, Result, to_result

Run = Callable[..., Result]


@pytest.fixture(scope="module", params=["bubblewrap", "system calls"])
def launcher(request: pytest.FixtureRequest) -> Launcher:
    launcher: Launcher = request.param
    if problem := probe(launcher):
        name = "bubblewrap" if "not found" in problem else "namespaces"
        pytest.skip(f"needs {name}: {problem}")
    return launcher


@pytest.fixture(scope="module", params=["this user", "another user"])
def run(request: pytest.FixtureRequest, launcher: Launcher) -> Iterator[Run]:
    """Run a command with the limits QUICK, or others."""
    if request.param == "this user":
        sandbox = Sandbox(launcher)
        yield lambda command, given=None, limits=QUICK: to_result(sandbox.run(command, given or {}, limits))
        return
    if os.geteuid() or not os.access(SYSTEM_PYTHON, os.X_OK):
        pytest.skip("needs root: only root can become another user, who needs a Python of the system")
    with ChildProcess(
        "tests.harness.sandbox_user:UnprivilegedSandbox", (launcher,), name="sandbox", environment={}
    ) as child:

        def call(command: list[str], given: Any = None, limits: Limits = QUICK) -> Result:
            return child.call("run", command, given or {}, limits, kind=Result, timeout_s=120, max_bytes=10**9)

        yield call
