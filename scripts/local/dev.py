"""Run the local stack until Ctrl-C: the command line behind `scripts/dev`.

When this process ends, however it ends, all services end.
"""

import argparse
import asyncio
import contextlib
import errno
import json
import os
import shlex
import socket
import sys
from pathlib import Path

from headwater.config import read_settings
from headwater.errors import ConfigError
from scripts.local.data_folder import lock_data_folder, make_private
from scripts.local.first_source import Api, add_first_source
from scripts.local.logs import Logs
from scripts.local.orphan_killer import OrphanKiller
from scripts.local.postgres import PostgresError
from scripts.local.stack import (
    BASE_PORT,
    DATABASE,
    HOST,
    OFFSETS,
    ROOT,
    Stack,
    StackError,
    write_private_file,
)
from scripts.local.stack_supervisor import StackSupervisor, end_leftovers

STOP_S = 3.0  # then the functions and the Worker are killed; with Postgres, all ends within five seconds


def ready_message(stack: Stack) -> str:
    """Return what is printed once every service is ready."""
    password = _short(stack.cluster.folder / "password")
    rows = {
        "API": f"{stack.url('edge')}/api/docs (token in {_short(stack.token_file)})",
        "Database": f"postgresql://postgres@{HOST}:{stack.port('postgres')}/{DATABASE} (password in {password})",
        "Logs": f"{_short(stack.logs)}/",
    }
    return "\n".join([f"ready {stack.app_url}", *(f"  {name:<10}{value}" for name, value in rows.items())])


def link_to_running(data: Path) -> str:
    """Return the web app's URL of the stack that runs on a data folder. Raises StackError if there is none."""
    try:
        processes = json.loads((data / "processes.json").read_text())
    except FileNotFoundError:
        raise StackError(f"Headwater isn't running on {data}. Start it, or name its folder with --data.") from None
    return Stack(data, processes["ports"]["edge"], {}).app_url


def create_database(stack: Stack) -> None:
    """Create the database if it is missing, and mark this as the data folder's first start."""
    with contextlib.closing(stack.cluster.connect()) as connection:
        cursor = connection.cursor()
        cursor.execute("select 1 from pg_database where datname = %s", (DATABASE,))
        exists = cursor.fetchone()
    if not exists:
        stack.first_start_marker.touch()
        stack.cluster.execute(f"create database {DATABASE}")


async def after_start(stack: Stack, logs: Logs, *, empty: bool) -> None:
    """Print the addresses. At a data folder's first start, add Headwater's docs, so that a question has an answer."""
    print(ready_message(stack), flush=True)
    marker = stack.first_start_marker
    if not marker.exists():
        return
    if not empty and stack.environment()["AUTH_MODE"] == "local":
        api = Api(stack.url("edge"), stack.token)
        await add_first_source(api, ROOT, say=lambda line: logs.report("dev", line))
    marker.unlink()


def _short(path: Path) -> str:
    """Return a path relative to the checkout if it is inside."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def check_ports(stack: Stack) -> None:
    """Raise StackError if another process listens on one of the stack's ports."""
    in_use = []
    for name in OFFSETS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, stack.port(name)))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise StackError(f"Port {stack.port(name)} ({name}) can't be used: {error.strerror}.") from error
                in_use.append(f"{stack.port(name)} ({name})")
    if in_use:
        are, other = ("Port", "is") if len(in_use) == 1 else ("Ports", "are"), 9000 if stack.base_port != 9000 else 9100
        raise StackError(
            f"{are[0]} {', '.join(in_use)} {are[1]} in use. Stop the other process or run `scripts/dev --port {other}`."
        )


def supervise(stack: Stack, *, empty: bool, verbose: bool) -> None:
    """Run a stack until it is stopped. Raises ConfigError for invalid settings before it starts any service."""
    make_private(stack.data)
    with lock_data_folder(stack.data) as lock:
        end_leftovers(stack)
        check_ports(stack)
        stack.cluster.prepare()
        settings = stack.settings()
        read_settings(settings)
        lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(settings.items())]
        write_private_file(stack.data / "env", "\n".join(lines) + "\n")
        names = (*OFFSETS, "migrate", "resources", "dev")
        with (
            contextlib.closing(Logs(stack.logs, names, verbose=verbose)) as logs,
            OrphanKiller(keep=(lock,)) as orphan_killer,
        ):
            supervisor = StackSupervisor(
                stack, orphan_killer, logs, stop_s=STOP_S, prepare_database=lambda: create_database(stack)
            )
            asyncio.run(supervisor.run(lambda: after_start(stack, logs, empty=empty)))
        (stack.data / "processes.json").unlink()


def main() -> None:
    """Parse the command line and run the stack. The options are described in the file `scripts/dev`."""
    parser = argparse.ArgumentParser(prog="scripts/dev", add_help=False)
    parser.add_argument("--port", type=int, default=BASE_PORT)
    parser.add_argument("--data", type=Path, default=ROOT / ".headwater", metavar="FOLDER")
    parser.add_argument("--model", metavar="NAME")
    parser.add_argument("--embedding-model", metavar="NAME")
    parser.add_argument("--empty", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--link", action="store_true")
    options = parser.parse_args()
    os.umask(0o077)  # also for all services: no other user reads the files they create
    overrides = {"CHAT_MODEL": options.model, "EMBEDDING_MODEL": options.embedding_model}
    stack = Stack(options.data.resolve(), options.port, {name: value for name, value in overrides.items() if value})
    try:
        if options.link:
            print(link_to_running(stack.data))
        else:
            supervise(stack, empty=options.empty, verbose=options.verbose)
    except (StackError, PostgresError, ConfigError) as error:
        sys.exit(f"scripts/dev: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
