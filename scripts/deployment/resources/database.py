"""Cloud SQL (`database = "cloudsql"`): instance, database, owner role and IAM access. Plans are pure.

Migrations create the role `app`, which everything but migrations connects as.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from scripts.deployment.cloud.read_access import read_access
from scripts.deployment.cloud.read_cloud import GoogleCloud, read_concurrently
from scripts.deployment.plan.access import Binding, account, missing
from scripts.deployment.plan.cloud_state import CloudState
from scripts.deployment.plan.commands import Command, gcloud
from scripts.deployment.plan.installation import (
    DATABASE_INSTANCE,
    DATABASE_NAME,
    DATABASE_OWNER,
    FUNCTIONS,
    MAX_CONNECTIONS,
    Installation,
)
from scripts.deployment.resources.secrets import Secret, read_secrets, write

_ADMIN_URL = Secret("DATABASE_ADMIN_URL", ("job",))


def read_database(google: GoogleCloud, installation: Installation, state: CloudState) -> CloudState:
    """Read the instance, its databases and users, and whether the owner's password is stored."""
    if not installation.cloudsql_instance:
        return state
    path = f"/sql/v1beta4/projects/{installation.project}/instances/{DATABASE_INSTANCE}"
    instance, databases, users, policies = read_concurrently(
        [
            partial(google.get, "sqladmin", path),
            partial(google.get, "sqladmin", f"{path}/databases"),
            partial(google.get, "sqladmin", f"{path}/users"),
            partial(read_access, google, installation, _bindings(installation)),
        ]
    )
    return replace(
        read_secrets(google, installation, state),
        sql_instance=instance,
        sql_databases=frozenset(each["name"] for each in (databases or {}).get("items", [])),
        sql_users=frozenset(each["name"] for each in (users or {}).get("items", [])),
        access=policies,
    )


def plan_database(installation: Installation, state: CloudState) -> list[Command]:
    """Create what is missing, in order."""
    if not installation.cloudsql_instance:
        return []
    common: dict[str, Any] = {"target": "sql", "project": installation.project}
    commands = []
    if state.sql_instance is None:
        commands.append(
            gcloud(
                "sql",
                "instances",
                "create",
                DATABASE_INSTANCE,
                **common,
                region=installation.region,
                edition="enterprise",
                database_version=installation.cloudsql.version,
                tier=installation.cloudsql.tier,
                storage_auto_increase=True,
                backup_start_time="03:00",
                enable_point_in_time_recovery=True,
                deletion_protection=True,
                connector_enforcement="REQUIRED",
                database_flags=f"max_connections={MAX_CONNECTIONS}",
                minutes="5 to 15",
            )
        )
    if DATABASE_NAME not in state.sql_databases:
        commands.append(gcloud("sql", "databases", "create", DATABASE_NAME, **common, instance=DATABASE_INSTANCE))
    commands += [replace(command, target="sql") for command in _owner(installation, state)]
    return commands + missing(installation, _bindings(installation), state.access)


def _owner(installation: Installation, state: CloudState) -> list[Command]:
    """Create the owner with a password and store it, ordered so that an interrupted deployment repeats both."""
    store = write(installation, state, _ADMIN_URL)
    common: dict[str, Any] = {
        "target": "sql",
        "project": installation.project,
        "instance": DATABASE_INSTANCE,
        "flags_file": "-",
    }
    if DATABASE_OWNER not in state.sql_users:
        return [store, gcloud("sql", "users", "create", DATABASE_OWNER, **common, stdin="DATABASE_OWNER_FLAGS")]
    if _ADMIN_URL.name not in state.versions:
        return [gcloud("sql", "users", "set-password", DATABASE_OWNER, **common, stdin="DATABASE_OWNER_FLAGS"), store]
    return []


def _bindings(installation: Installation) -> list[Binding]:
    condition = (
        f"resource.name == 'projects/{installation.project}/instances/{DATABASE_INSTANCE}' && "
        "resource.service == 'sqladmin.googleapis.com'"
    )
    return [
        Binding(f"project/{installation.project}", "roles/cloudsql.client", account(installation, name), condition)
        for name in (*FUNCTIONS, "job")
    ]
