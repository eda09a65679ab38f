"""The command line: builds store, services and server, and runs them until SIGTERM or SIGINT."""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from localcloud.event_log import emit
from localcloud.grpc_api.certificate import load_or_create_certificate
from localcloud.grpc_api.tunnel import GrpcTunnel
from localcloud.listener import Listener
from localcloud.private_files import PrivateFileError, load_or_create_token
from localcloud.rest.discovery import Discovery
from localcloud.rest.router import Route, Router
from localcloud.rest.server import RestServer
from localcloud.run.api import CloudRunJobs
from localcloud.run.execution.images import ImageError, Images, read_images
from localcloud.run.records import SCHEMA as RUN_SCHEMA
from localcloud.scheduler.api import CloudScheduler
from localcloud.scheduler.records import SCHEMA as SCHEDULER_SCHEMA
from localcloud.scheduler.sender import JobRequestSender
from localcloud.store import StoreError, open_store
from localcloud.targets.outbound import Outbound
from localcloud.targets.signing import SigningSender, load_or_create_key
from localcloud.tasks.api import CloudTasks, Limits
from localcloud.tasks.records import SCHEMA as TASKS_SCHEMA


def main() -> None:
    """Parse the command line and serve. Exits with 1 and one line on stderr if it cannot start."""
    arguments = _parser().parse_args()
    os.umask(0o077)  # all files, also those of jobs, are private to the user
    try:
        asyncio.run(_serve(arguments, read_images(arguments.image)))
    except (ImageError, StoreError, PrivateFileError) as error:
        sys.exit(f"localcloud: {error}")
    except OSError as error:  # the port is in use, or the address is not one of this machine
        sys.exit(f"localcloud: {error.strerror or error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "localcloud", description="Cloud Tasks, Cloud Run jobs and Cloud Scheduler on a local port."
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; connections have no TLS (default: %(default)s)"
    )
    parser.add_argument(
        "--port", type=int, default=8791, help="port to listen on, 0 for a free one (default: %(default)s)"
    )
    parser.add_argument("--data", type=Path, required=True, help="folder for all state; created if missing")
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="file with the token that clients must send; created if missing (default: token in the data folder)",
    )
    parser.add_argument(
        "--min-dispatch-deadline",
        type=float,
        default=Limits().min_dispatch_deadline_s,
        metavar="SECONDS",
        help="minimum dispatchDeadline of a task (default: %(default)s, as in Cloud Tasks); lower it in tests",
    )
    parser.add_argument(
        "--sign-tokens",
        action="store_true",
        help="sign ID tokens instead of replacing the signature as Cloud Run does; public key at /oauth2/v3/certs",
    )
    parser.add_argument(
        "--location",
        default="local",
        help="location that gcloud uses without --location (default: %(default)s); any other location works too",
    )
    parser.add_argument(
        "--image",
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="command that Cloud Run jobs run for this container image; repeat for more images",
    )
    parser.add_argument(
        "--termination-grace",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="seconds between SIGTERM and SIGKILL for job processes (default: %(default)s, as in Cloud Run)",
    )
    return parser


async def _serve(arguments: argparse.Namespace, images: Images) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    token = load_or_create_token(arguments.token_file or arguments.data / "token")
    store = open_store(arguments.data, [TASKS_SCHEMA, RUN_SCHEMA, SCHEDULER_SCHEMA])
    outbound = Outbound()
    signing = (
        SigningSender(outbound, load_or_create_key(arguments.data / "oidc-key.json")) if arguments.sign_tokens else None
    )
    sender = signing or outbound
    scheduler_sender = JobRequestSender(sender)
    services = (
        CloudTasks(store, sender, Limits(min_dispatch_deadline_s=arguments.min_dispatch_deadline)),
        CloudRunJobs(store, arguments.data, images, grace_s=arguments.termination_grace),
        CloudScheduler(store, scheduler_sender),
    )
    heartbeat = Route("GET", "/heartbeat", "heartbeat", lambda _: {"status": "ok"}, public=True)
    routes = [heartbeat, *Discovery(arguments.location).routes, *(route for each in services for route in each.routes)]
    routes += signing.routes if signing else []
    router = Router(routes)
    scheduler_sender.router = router
    grpc = GrpcTunnel(router, token, load_or_create_certificate(arguments.data))
    listener = Listener(RestServer(router, token), grpc)
    port = await listener.bind(arguments.host, arguments.port)
    for service in services:
        service.start()
    await listener.listen()
    emit("INFO", f"localcloud listens on http://{arguments.host}:{port}", action="start", port=port)
    await stop.wait()
    await listener.close()
    await grpc.stop()
    for service in services:
        await service.stop()
    outbound.close()
    store.close()
    # Not sys.exit: asyncio would wait for its DNS resolver threads, which may block for long on a dead name.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
