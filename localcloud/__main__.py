"""`python -m localcloud`: puts store, services and server together and runs until SIGTERM or SIGINT."""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from localcloud.logs import emit
from localcloud.outbound import Outbound
from localcloud.rest import Route, Router
from localcloud.server import Server
from localcloud.store import StoreError, open_store
from localcloud.tasks.api import CloudTasks, Limits
from localcloud.tasks.records import SCHEMA as TASKS_SCHEMA


def main() -> None:
    """Read the command line and serve; exits with 1 and one line on stderr when it can't."""
    arguments = _parser().parse_args()
    try:
        asyncio.run(_serve(arguments))
    except StoreError as error:
        sys.exit(f"localcloud: {error}")
    except OSError as error:  # the port is taken, or the address is not this machine's
        sys.exit(f"localcloud: {error.strerror or error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("localcloud", description="Google Cloud's REST APIs on a local port.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8791, help="port to listen on, 0 for any (default: %(default)s)")
    parser.add_argument("--data", type=Path, required=True, help="folder for what must survive a restart")
    parser.add_argument(
        "--min-dispatch-deadline",
        type=float,
        default=Limits().min_dispatch_deadline_s,
        metavar="SECONDS",
        help="least dispatchDeadline of a task; the real service's is %(default)s, tests may want less",
    )
    return parser


async def _serve(arguments: argparse.Namespace) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    store = open_store(arguments.data, [TASKS_SCHEMA])
    outbound = Outbound()
    tasks = CloudTasks(store, outbound, Limits(min_dispatch_deadline_s=arguments.min_dispatch_deadline))
    heartbeat = Route("GET", "/heartbeat", "heartbeat", lambda _: {"status": "ok"})
    server = Server(Router([heartbeat, *tasks.routes]))
    port = await server.bind(arguments.host, arguments.port)
    tasks.start()
    await server.listen()
    emit("INFO", f"localcloud listens on http://{arguments.host}:{port}", action="start", port=port)
    await stopped.wait()
    await server.close()
    await tasks.stop()
    outbound.close()
    store.close()
    # asyncio would now wait for its resolver threads, which can't be stopped and may sit on a dead name for long.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
