"""The command line of `scripts/undeploy`: flags flow in, an installation that serves nobody flows out.

    scripts/undeploy [ENVIRONMENT]           take away what runs; data stays, and scripts/deploy brings everything back
    scripts/undeploy [ENVIRONMENT] --data    take that away too: the bucket, the secrets, the database of Cloud SQL
    scripts/undeploy [ENVIRONMENT] --plan    print the commands, and change nothing

Queues are paused and emptied, not deleted: the name of a deleted one is blocked for days. Asks for the project's name.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from scripts.deployment.cloud import programs
from scripts.deployment.cloud.failures import DeploymentError
from scripts.deployment.cloud.read_cloud import Google, connect
from scripts.deployment.cloud.runner import Runner
from scripts.deployment.cloud.values import Values
from scripts.deployment.exit_codes import told
from scripts.deployment.plan.cloud_state import Found
from scripts.deployment.plan.commands import Command, gcloud
from scripts.deployment.plan.config import read
from scripts.deployment.plan.installation import FUNCTIONS, Installation
from scripts.deployment.resources.database import INSTANCE, look_database
from scripts.deployment.resources.foundations import ACCOUNTS, look_accounts, look_apis, look_bucket, look_registry
from scripts.deployment.resources.job import JOB, look_job
from scripts.deployment.resources.queues import QUEUES, SCHEDULE, look_queues
from scripts.deployment.resources.secrets import PREFIX, look_secrets
from scripts.deployment.resources.services import look_services, service_name
from scripts.deployment.resources.worker import delete_worker, look_worker

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
    groups = plan(wanted, found, with_data=options.data)
    if options.plan or not groups:
        print(*[command.line() for group in groups for command in group] or [_GONE], sep="\n")
        return 0
    answers = input if sys.stdin.isatty() else None
    if not is_meant(wanted, options.confirm, with_data=options.data, answers=answers):
        print("nothing was changed", file=sys.stderr)
        return 1
    runner = Runner(Values(wanted), partial(print, flush=True))
    for group in groups:
        runner.run(group)
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


def plan(wanted: Installation, found: Found, *, with_data: bool) -> list[list[Command]]:
    """Give the commands that take away what is there, in groups that go one after the other: first what people and
    Google call, then what that runs on."""
    where = {"project": wanted.project}
    services = [name for name in map(service_name, FUNCTIONS) if name in found.services]
    runs = [gcloud("run", "services", "delete", name, on=name, **where, region=wanted.region) for name in services]
    if found.job is not None:
        runs.append(gcloud("run", "jobs", "delete", JOB, on="job", **where, region=wanted.region))
    accounts = [email for email in map(wanted.account, ACCOUNTS) if email in found.accounts]
    rest = [gcloud("iam", "service-accounts", "delete", email, on=email, **where) for email in accounts]
    if found.repository is not None:
        images = ("artifacts", "repositories", "delete", "headwater")
        rest.append(gcloud(*images, on="repository", **where, location=wanted.region))
    data = _data(wanted, found, where) if with_data else []
    groups = [_calls(wanted, found, where, is_running=bool(runs)), runs, rest, data]
    return [group for group in groups if group]


def _calls(wanted: Installation, found: Found, where: dict[str, Any], *, is_running: bool) -> list[Command]:
    """A queue that is paused has been emptied too, unless something ended that: what it wakes is still there then."""
    commands = [delete_worker(wanted)] if found.worker_version or found.worker_secrets else []
    if found.schedule is not None:
        words = ("scheduler", "jobs", "delete", SCHEDULE)
        commands.append(gcloud(*words, on="schedule", **where, location=wanted.region))
    queues = {name: found.queues[name].get("state") == "PAUSED" for name in QUEUES if name in found.queues}
    for name, is_paused in queues.items():
        verbs = [*([] if is_paused else ["pause"]), *(["purge"] if is_running or not is_paused else [])]
        commands += [
            gcloud("tasks", "queues", verb, name, on=f"queue/{name}", **where, location=wanted.region) for verb in verbs
        ]
    return commands


def _data(wanted: Installation, found: Found, where: dict[str, Any]) -> list[Command]:
    commands = []
    if found.bucket is not None:
        commands.append(gcloud("storage", "rm", f"gs://{wanted.bucket}", on="bucket", **where, recursive=True))
    if found.sql_instance is not None:
        instance = ("sql", "instances")
        commands.append(gcloud(*instance, "patch", INSTANCE, on="sql", **where, deletion_protection=False))
        commands.append(gcloud(*instance, "delete", INSTANCE, on="sql", **where))
    # All that begin with the name, since some are of providers or a pipeline that aren't wanted any more.
    kept = [name for name in sorted(found.secrets) if name.startswith(PREFIX)]
    return commands + [gcloud("secrets", "delete", name, on=name, **where) for name in kept]


if __name__ == "__main__":
    sys.exit(main())
