"""The owner role of a Cloud SQL database and its password."""

from scripts.deployment.plan.cloud_state import CloudState, Json
from scripts.deployment.resources.database import plan_database
from tests.harness.deployment import CLOUDSQL


def planned_for_owner(
    users: frozenset[str], versions: dict[str, str], secrets: dict[str, Json]
) -> list[tuple[str, ...]]:
    """Return the first words of the commands that create the owner and store its password."""
    state = CloudState(
        sql_instance={}, sql_databases=frozenset({"headwater"}), sql_users=users, versions=versions, secrets=secrets
    )
    planned = plan_database(CLOUDSQL, state)
    return [command.arguments[:3] for command in planned if command.arguments[0] in ("sql", "secrets")]


def test_interrupted_creation_of_the_owner_is_repeated_with_a_new_password() -> None:
    name = "headwater-database-admin-url"
    create, add = ("secrets", "create", name), ("secrets", "versions", "add")
    user, password = ("sql", "users", "create"), ("sql", "users", "set-password")
    assert planned_for_owner(frozenset(), {}, {}) == [create, user]
    assert planned_for_owner(frozenset(), {name: "1"}, {name: {}}) == [add, user]
    assert planned_for_owner(frozenset({"headwater"}), {}, {}) == [password, create]
    assert planned_for_owner(frozenset({"headwater"}), {}, {name: {}}) == [password, add]
    assert planned_for_owner(frozenset({"headwater"}), {name: "1"}, {name: {}}) == []
