"""Remove a Headwater installation. Data is kept unless --data is given.

    scripts/undeploy [ENVIRONMENT]           delete what runs and keep all data; scripts/deploy restores the rest
    scripts/undeploy [ENVIRONMENT] --data    also delete the bucket, the secrets and the Cloud SQL database
    scripts/undeploy [ENVIRONMENT] --plan    print the commands; change nothing

Queues are paused and emptied but not deleted, since the name of a deleted queue is blocked for days. Asks for
confirmation: type the project's ID.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from scripts.deployment.cloud import programs
from scripts.deployment.cloud.failures import DeploymentError
from scripts.deployment.cloud.read_cloud import GoogleCloud, connect
from scripts.deployment.cloud.runner import Runner
from scripts.deployment.cloud.values import Values
from scripts.deployment.exit_codes import exit_codes
from scripts.deployment.plan.cloud_state import CloudState
from scripts.deployment.plan.commands import Command, gcloud
from scripts.deployment.plan.config import read_installation
from scripts.deployment.plan.installation import DATABASE_INSTANCE, FUNCTIONS, SANDBOX, Installation
from scripts.deployment.resources.database import read_database
from scripts.deployment.resources.foundations import ACCOUNTS, read_accounts, read_apis, read_bucket, read_registry
from scripts.deployment.resources.job import JOB, read_job
from scripts.deployment.resources.queues import QUEUES, SCHEDULE, read_queues
from scripts.deployment.resources.secrets import PREFIX, read_secrets
from scripts.deployment.resources.services import read_services, service_name
from scripts.deployment.resources.worker import delete_worker, worker_exists

_FLAGS = ("project", "region", "domain", "database")
_READERS = (read_apis, read_accounts, read_registry, read_bucket, read_database, read_secrets, read_job, read_services)
_NOTHING_TO_DELETE = "nothing to delete"


@exit_codes
def main(arguments: Sequence[str] | None = None) -> int:
    """Run scripts/undeploy. Returns the exit code: 0, 1 on failure or refusal, 2 for an invalid configuration."""
    options = _parse(arguments)
    flags = {name: value for name in _FLAGS if (value := getattr(options, name))}
    installation = read_installation(Path(options.file or programs.ROOT / "deploy.toml"), options.environment, flags)
    google = connect(installation.project)
    state = _read_state(google, installation)
    groups = plan(installation, state, with_data=options.data)
    if options.plan or not groups:
        print(*[command.line() for group in groups for command in group] or [_NOTHING_TO_DELETE], sep="\n")
        return 0
    prompt = input if sys.stdin.isatty() else None
    if not is_confirmed(installation, options.confirm, with_data=options.data, prompt=prompt):
        print("nothing was changed", file=sys.stderr)
        return 1
    runner = Runner(Values(installation), partial(print, flush=True))
    for group in groups:
        runner.run(group)
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/undeploy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "environment", nargs="?", default="", help="environment: a section of deploy.toml, such as staging"
    )
    parser.add_argument(
        "--data", action="store_true", help="also delete the bucket, the secrets and the Cloud SQL database"
    )
    parser.add_argument("--plan", action="store_true", help="print the commands; change nothing")
    parser.add_argument("--confirm", metavar="PROJECT", default="", help="the project's ID, instead of the prompt")
    parser.add_argument("--file", metavar="FILE", help="configuration file; default: deploy.toml")
    for name in _FLAGS:
        parser.add_argument(f"--{name}", help=f"override `{name}` of deploy.toml")
    return parser.parse_args(arguments)


def _read_state(google: GoogleCloud, installation: Installation) -> CloudState:
    programs.build_edge()
    state = CloudState()
    for reader in (*_READERS, read_queues):
        state = reader(google, installation, state)
    return replace(state, has_worker=worker_exists(installation))


def is_confirmed(
    installation: Installation, confirmation: str, *, with_data: bool, prompt: Callable[[str], str] | None = None
) -> bool:
    """Return whether the user typed the project's ID.

    `prompt` asks the user if no `confirmation` was given. Raises DeploymentError if both are missing.
    """
    project = installation.project
    if confirmation:
        return confirmation == project
    if prompt is None:
        raise DeploymentError("confirmation is required, but there is no terminal", f"pass --confirm={project}")
    effect = (
        "This deletes everything, including all data, and can't be undone"
        if with_data
        else "This takes the installation offline and keeps its data"
    )
    return prompt(f"{effect}. Type the project's ID ({project}) to confirm: ").strip() == project


def plan(installation: Installation, state: CloudState, *, with_data: bool) -> list[list[Command]]:
    """Return the commands that delete the existing resources, in groups to run in order: callers before callees."""
    common = {"project": installation.project}
    services = [name for name in map(service_name, (*FUNCTIONS, SANDBOX)) if name in state.services]
    running = [
        gcloud("run", "services", "delete", name, target=name, **common, region=installation.region)
        for name in services
    ]
    if state.job is not None:
        running.append(gcloud("run", "jobs", "delete", JOB, target="job", **common, region=installation.region))
    accounts = [email for email in map(installation.account, ACCOUNTS) if email in state.accounts]
    rest = [gcloud("iam", "service-accounts", "delete", email, target=email, **common) for email in accounts]
    if state.repository is not None:
        images = ("artifacts", "repositories", "delete", "headwater")
        rest.append(gcloud(*images, target="repository", **common, location=installation.region))
    data = _data(installation, state, common) if with_data else []
    groups = [_callers(installation, state, common, is_running=bool(running)), running, rest, data]
    return [group for group in groups if group]


def _callers(
    installation: Installation, state: CloudState, common: dict[str, Any], *, is_running: bool
) -> list[Command]:
    """Delete Worker and schedule; pause and purge queues. If functions still exist, purge paused queues once more."""
    commands = [delete_worker(installation)] if state.has_worker else []
    if state.schedule is not None:
        words = ("scheduler", "jobs", "delete", SCHEDULE)
        commands.append(gcloud(*words, target="schedule", **common, location=installation.region))
    queues = {name: state.queues[name].get("state") == "PAUSED" for name in QUEUES if name in state.queues}
    for name, is_paused in queues.items():
        verbs = [*([] if is_paused else ["pause"]), *(["purge"] if is_running or not is_paused else [])]
        commands += [
            gcloud("tasks", "queues", verb, name, target=f"queue/{name}", **common, location=installation.region)
            for verb in verbs
        ]
    return commands


def _data(installation: Installation, state: CloudState, common: dict[str, Any]) -> list[Command]:
    commands = []
    if state.bucket is not None:
        commands.append(
            gcloud("storage", "rm", f"gs://{installation.bucket}", target="bucket", **common, recursive=True)
        )
    if state.sql_instance is not None:
        instance = ("sql", "instances")
        commands.append(
            gcloud(*instance, "patch", DATABASE_INSTANCE, target="sql", **common, deletion_protection=False)
        )
        commands.append(gcloud(*instance, "delete", DATABASE_INSTANCE, target="sql", **common))
    # All secrets with the prefix: some belong to providers or a pipeline that are no longer configured.
    names = [name for name in sorted(state.secrets) if name.startswith(PREFIX)]
    return commands + [gcloud("secrets", "delete", name, target=name, **common) for name in names]


if __name__ == "__main__":
    sys.exit(main())
