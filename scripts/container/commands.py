"""The commands of the one container: run it, check its health, print its link, run the job."""

import asyncio
import os
import shutil
import sys
import urllib.request
from collections.abc import Sequence
from typing import NoReturn

from headwater.config import read_settings
from headwater.errors import ConfigError
from headwater.sandbox.frames import SandboxUnavailable
from headwater.sandbox.runner import find_sandbox
from scripts.container.json_logs import JsonLogs
from scripts.container.stack import DATA, ContainerStack, port_of
from scripts.local.data_folder import lock_data_folder, make_private
from scripts.local.orphan_killer import OrphanKiller
from scripts.local.stack import HOST, StackError
from scripts.local.stack_supervisor import StackSupervisor

STOP_S = 8.0  # then the services are killed; container engines allow ten seconds
HEALTH_TIMEOUT_S = 10.0


def serve() -> None:
    """Run all services until SIGTERM. Exits with 1 if they can't start, and logs why."""
    os.umask(0o077)  # also for all services: no other user reads the files they create
    logs = JsonLogs()
    try:
        _supervise(_stack(), logs)
    except (StackError, ConfigError) as error:
        logs.fail("container", str(error))
        sys.exit(1)


def _supervise(stack: ContainerStack, logs: JsonLogs) -> None:
    _make_volume_private(stack)
    with lock_data_folder(stack.data) as lock, OrphanKiller(keep=(lock,)) as orphan_killer:
        shutil.rmtree(stack.temporary, ignore_errors=True)
        stack.temporary.mkdir()
        read_settings(stack.settings())

        async def say_ready() -> None:
            logs.report("container", f"ready on port {stack.port('edge')}. `headwater link` prints the address.")
            logs.report("container", await asyncio.to_thread(_describe_sandbox))

        asyncio.run(StackSupervisor(stack, orphan_killer, logs, stop_s=STOP_S).run(say_ready))


def _describe_sandbox() -> str:
    """Say whether agents can run code in this container, else why not."""
    try:
        return f"Agents can run code, in a sandbox made by {find_sandbox().launcher}."
    except SandboxUnavailable as error:
        return f"Agents run no code. {error.message} What the container needs: docs/one-container.md"


def _make_volume_private(stack: ContainerStack) -> None:
    """Create our folder on the volume, for this user only. Raises StackError if the volume can't be written."""
    try:
        make_private(stack.data)
    except PermissionError:
        raise StackError(
            f"{stack.data.parent} can't be written. Mount a volume there that user id {os.geteuid()} may write."
        ) from None


def health() -> None:
    """Exit with 0 if `GET /ready` returns 200, else with 1."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(f"http://{HOST}:{_stack().port('edge')}/ready", timeout=HEALTH_TIMEOUT_S).close()
    except OSError as error:
        sys.exit(f"not ready: {error}")


def link() -> None:
    """Print the web app's address on this machine. With `AUTH_MODE=local` it contains the token."""
    print(_stack().app_url)


def job(words: Sequence[str]) -> NoReturn:
    """Become a process of the job, with the container's settings."""
    command = (sys.executable, "-m", "functions.job", *words)
    os.execve(command[0], command, _stack().environment())


def _stack() -> ContainerStack:
    return ContainerStack(DATA, port_of(os.environ), {})
