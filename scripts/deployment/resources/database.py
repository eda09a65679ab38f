"""Cloud SQL, for `database = "cloudsql"`: the instance, the database, its owner, who may connect. Plans are pure.

The role `app`, as which everything connects but migrations, is made by the migrations themselves.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from scripts.deployment.cloud.read_cloud import Google, at_once
from scripts.deployment.plan.cloud_state import Found
from scripts.deployment.plan.commands import Command, gcloud
from scripts.deployment.plan.installation import FUNCTIONS, MAX_CONNECTIONS, Installation
from scripts.deployment.resources import access
from scripts.deployment.resources.access import Binding, account
from scripts.deployment.resources.secrets import Secret, look_secrets, write

INSTANCE = DATABASE = OWNER = "headwater"
_ADMIN_URL = Secret("DATABASE_ADMIN_URL", ("job",))


def look_database(google: Google, wanted: Installation, found: Found) -> Found:
    """Read the instance, what is in it, and whether its owner's password is kept."""
    if not wanted.cloudsql_instance:
        return found
    path = f"/sql/v1beta4/projects/{wanted.project}/instances/{INSTANCE}"
    instance, databases, users, policies = at_once(
        [
            partial(google.get, "sqladmin", path),
            partial(google.get, "sqladmin", f"{path}/databases"),
            partial(google.get, "sqladmin", f"{path}/users"),
            partial(access.look, google, wanted, _bindings(wanted)),
        ]
    )
    return replace(
        look_secrets(google, wanted, found),
        sql_instance=instance,
        sql_databases=frozenset(each["name"] for each in (databases or {}).get("items", [])),
        sql_users=frozenset(each["name"] for each in (users or {}).get("items", [])),
        access=policies,
    )


def plan_database(wanted: Installation, found: Found) -> list[Command]:
    """Create what is missing, one after the other."""
    if not wanted.cloudsql_instance:
        return []
    where: dict[str, Any] = {"on": "sql", "project": wanted.project}
    commands = []
    if found.sql_instance is None:
        commands.append(
            gcloud(
                "sql",
                "instances",
                "create",
                INSTANCE,
                **where,
                region=wanted.region,
                edition="enterprise",
                database_version=wanted.cloudsql.version,
                tier=wanted.cloudsql.tier,
                storage_auto_increase=True,
                backup_start_time="03:00",
                enable_point_in_time_recovery=True,
                deletion_protection=True,
                connector_enforcement="REQUIRED",
                database_flags=f"max_connections={MAX_CONNECTIONS}",
                minutes="5 to 15",
            )
        )
    if DATABASE not in found.sql_databases:
        commands.append(gcloud("sql", "databases", "create", DATABASE, **where, instance=INSTANCE))
    commands += [replace(command, target="sql") for command in _owner(wanted, found)]
    return commands + access.missing(wanted, _bindings(wanted), found.access)


def _owner(wanted: Installation, found: Found) -> list[Command]:
    """Give the owner a password and keep it, in the order in which both are made again if only the first was done."""
    keep = write(wanted, found, _ADMIN_URL)
    give: dict[str, Any] = {"on": "sql", "project": wanted.project, "instance": INSTANCE, "flags_file": "-"}
    if OWNER not in found.sql_users:
        return [keep, gcloud("sql", "users", "create", OWNER, **give, feed="DATABASE_OWNER_FLAGS")]
    if _ADMIN_URL.name not in found.versions:
        return [gcloud("sql", "users", "set-password", OWNER, **give, feed="DATABASE_OWNER_FLAGS"), keep]
    return []


def _bindings(wanted: Installation) -> list[Binding]:
    condition = (
        f"resource.name == 'projects/{wanted.project}/instances/{INSTANCE}' && "
        "resource.service == 'sqladmin.googleapis.com'"
    )
    return [
        Binding(f"project/{wanted.project}", "roles/cloudsql.client", account(wanted, name), condition)
        for name in (*FUNCTIONS, "job")
    ]
