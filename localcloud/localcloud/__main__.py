"""`python -m localcloud`: puts store, services and server together and runs until SIGTERM or SIGINT."""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from localcloud.event_log import emit
from localcloud.rest.discovery import Discovery
from localcloud.rest.router import Route, Router
from localcloud.rest.server import Server
from localcloud.run.api import CloudRunJobs
from localcloud.run.execution.images import ImageError, Images, read_images
from localcloud.run.records import SCHEMA as RUN_SCHEMA
from localcloud.scheduler.api import CloudScheduler
from localcloud.scheduler.records import SCHEMA as SCHEDULER_SCHEMA
from localcloud.scheduler.sender import Targets
from localcloud.store import StoreError, open_store
from localcloud.targets.outbound import Outbound
from localcloud.targets.signing import Signing, kept_key
from localcloud.tasks.api import CloudTasks, Limits
from localcloud.tasks.records import SCHEMA as TASKS_SCHEMA


def main() -> None:
    """Read the command line and serve; exits with 1 and one line on stderr when it can't."""
    arguments = _parser().parse_args()
    try:
        asyncio.run(_serve(arguments, read_images(arguments.image)))
    except (ImageError, StoreError) as error:
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
    parser.add_argument(
        "--sign-tokens",
        action="store_true",
        help="sign ID tokens instead of marking them as checked by Cloud Run; the key is at /oauth2/v3/certs",
    )
    parser.add_argument(
        "--location",
        default="local",
        help="location where gcloud looks when it is not told one (default: %(default)s); any other works as well",
    )
    parser.add_argument(
        "--image",
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="the command that Cloud Run jobs with this container image run; may be given several times",
    )
    parser.add_argument(
        "--termination-grace",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="time between SIGTERM and SIGKILL when a task of a job is to end (default: %(default)s, as in Cloud Run)",
    )
    return parser


async def _serve(arguments: argparse.Namespace, images: Images) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    store = open_store(arguments.data, [TASKS_SCHEMA, RUN_SCHEMA, SCHEDULER_SCHEMA])
    outbound = Outbound()
    signing = Signing(outbound, kept_key(arguments.data / "oidc-key.json")) if arguments.sign_tokens else None
    sender = signing or outbound
    targets = Targets(sender)
    services = (
        CloudTasks(store, sender, Limits(min_dispatch_deadline_s=arguments.min_dispatch_deadline)),
        CloudRunJobs(store, arguments.data, images, grace_s=arguments.termination_grace),
        CloudScheduler(store, targets),
    )
    heartbeat = Route("GET", "/heartbeat", "heartbeat", lambda _: {"status": "ok"})
    routes = [heartbeat, *Discovery(arguments.location).routes, *(route for each in services for route in each.routes)]
    routes += signing.routes if signing else []
    targets.router = Router(routes)
    server = Server(targets.router)
    port = await server.bind(arguments.host, arguments.port)
    for service in services:
        service.start()
    await server.listen()
    emit("INFO", f"localcloud listens on http://{arguments.host}:{port}", action="start", port=port)
    await stopped.wait()
    await server.close()
    for service in services:
        await service.stop()
    outbound.close()
    store.close()
    # asyncio would now wait for its resolver threads, which can't be stopped and may sit on a dead name for long.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
