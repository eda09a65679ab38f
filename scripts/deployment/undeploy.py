"""The command line of `scripts/undeploy`: flags flow in, an installation that serves nobody flows out.

    scripts/undeploy [ENVIRONMENT]           take away what runs; data stays, and scripts/deploy brings everything back
    scripts/undeploy [ENVIRONMENT] --data    take that away too: the bucket, the secrets, the database of Cloud SQL
    scripts/undeploy [ENVIRONMENT] --plan    print the commands, and change nothing

Queues are paused and emptied, not deleted: the name of a deleted one is blocked for days. Asks for the project's name.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from scripts.deployment import programs
from scripts.deployment.commands import Command, gcloud
from scripts.deployment.config import read
from scripts.deployment.database import INSTANCE, look_database
from scripts.deployment.ending import told
from scripts.deployment.failures import DeploymentError
from scripts.deployment.found import Found
from scripts.deployment.foundations import ACCOUNTS, look_accounts, look_apis, look_bucket, look_registry
from scripts.deployment.installation import FUNCTIONS, Installation
from scripts.deployment.job import JOB, look_job
from scripts.deployment.look import Google, connect
from scripts.deployment.queues import QUEUES, SCHEDULE, look_queues
from scripts.deployment.run import Runner
from scripts.deployment.secrets import look_secrets, secrets
from scripts.deployment.services import look_services, service_name
from scripts.deployment.values import Values
from scripts.deployment.worker import delete_worker, look_worker

_FLAGS = ("project", "region", "domain", "database")
_LOOKS = (look_apis, look_accounts, look_registry, look_bucket, look_database, look_secrets, look_job, look_services)
_GONE = "nothing of it is there"


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is asked for; returns 0, 1 when it can't be done or isn't wanted, 2 when the configuration is wrong."""
    options = _parse(arguments)
    flags = {name: value for name in _FLAGS if (value := getattr(options, name))}
    wanted = read(Path(options.file or programs.ROOT / "deploy.toml"), options.environment, flags)
    google = connect(wanted.project)
    found = _look(google, wanted)
    commands = plan(wanted, found, with_data=options.data)
    if options.plan or not commands:
        print(*(command.line() for command in commands) if commands else [_GONE], sep="\n")
        return 0
    answers = input if sys.stdin.isatty() else None
    if not is_meant(wanted, options.confirm, with_data=options.data, answers=answers):
        print("nothing was changed", file=sys.stderr)
        return 1
    Runner(Values(wanted), lambda line: print(line, flush=True)).run(commands)
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/undeploy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("environment", nargs="?", default="", help="a section of deploy.toml, such as staging")
    parser.add_argument("--data", action="store_true", help="delete what holds data, too")
    parser.add_argument("--plan", action="store_true", help="print the commands, and change nothing")
    parser.add_argument("--confirm", metavar="PROJECT", default="", help="the project's name, instead of being asked")
    parser.add_argument("--file", metavar="FILE", help="another configuration than deploy.toml")
    for name in _FLAGS:
        parser.add_argument(f"--{name}", help="instead of what deploy.toml says")
    return parser.parse_args(arguments)


def _look(google: Google, wanted: Installation) -> Found:
    programs.ready_edge()
    found = Found()
    for look in (*_LOOKS, look_queues, look_worker):
        found = look(google, wanted, found)
    return found


def is_meant(
    wanted: Installation, confirmed: str, *, with_data: bool, answers: Callable[[str], str] | None = None
) -> bool:
    """Have the project's name typed, which nobody does by mistake; raises DeploymentError where nobody `answers`."""
    if confirmed:
        return confirmed == wanted.project
    if answers is None:
        raise DeploymentError("nobody is here to ask", f"give --confirm={wanted.project}")
    lost = "Everything goes, data included, and can't be brought back" if with_data else "Nobody will be served"
    return answers(f"{lost}. Type the project's name ({wanted.project}): ").strip() == wanted.project


def plan(wanted: Installation, found: Found, *, with_data: bool) -> list[Command]:
    """Give the commands that take away what is there: first what people and Google call, then what that runs on."""
    where: dict[str, Any] = {"on": "all", "project": wanted.project}
    commands = [delete_worker(wanted)] if found.worker_version or found.worker_secrets else []
    if found.schedule is not None:
        commands.append(gcloud("scheduler", "jobs", "delete", SCHEDULE, **where, location=wanted.region))
    commands += [
        gcloud("tasks", "queues", verb, name, **where, location=wanted.region)
        for name in QUEUES
        for verb in ("pause", "purge")
        if name in found.queues and found.queues[name].get("state") != "PAUSED"
    ]
    services = [name for name in map(service_name, FUNCTIONS) if name in found.services]
    commands += [gcloud("run", "services", "delete", name, **where, region=wanted.region) for name in services]
    if found.job is not None:
        commands.append(gcloud("run", "jobs", "delete", JOB, **where, region=wanted.region))
    if found.repository is not None:
        commands.append(gcloud("artifacts", "repositories", "delete", "headwater", **where, location=wanted.region))
    accounts = [email for email in map(wanted.account, ACCOUNTS) if email in found.accounts]
    commands += [gcloud("iam", "service-accounts", "delete", email, **where) for email in accounts]
    return commands + (_data(wanted, found, where) if with_data else [])


def _data(wanted: Installation, found: Found, where: dict[str, Any]) -> list[Command]:
    commands = []
    if found.bucket is not None:
        commands.append(gcloud("storage", "rm", f"gs://{wanted.bucket}", **where, recursive=True))
    if found.sql_instance is not None:
        instance = ("sql", "instances")
        commands.append(gcloud(*instance, "patch", INSTANCE, **where, deletion_protection=False))
        commands.append(gcloud(*instance, "delete", INSTANCE, **where))
    kept = [secret.name for secret in secrets(wanted) if secret.name in found.secrets]
    return commands + [gcloud("secrets", "delete", name, **where) for name in kept]


if __name__ == "__main__":
    sys.exit(main())
