"""Secret values: where they come from, and which are rejected."""

from dataclasses import replace

import pytest

from scripts.deployment.cloud.failures import DeploymentError
from scripts.deployment.cloud.values import Values, app_url
from scripts.deployment.plan.installation import Auth
from tests.harness.deployment import SUPABASE

ADMIN_URL = "postgresql://postgres.ref:pw@aws-0-eu.pooler.supabase.com:5432/postgres"


def accept(url: str, root_certificate: str) -> str:
    """Stand for a database that accepts the URL."""
    return ""


def test_owners_url_is_tried_with_the_root_certificate_before_it_is_stored() -> None:
    tried = []

    def refuse(url: str, root_certificate: str) -> str:
        tried.append((url, root_certificate))
        return "the password is wrong"

    installation = replace(SUPABASE, settings=(("DATABASE_ROOT_CERTIFICATE", "PEM"),))
    values = Values(installation, {"DEPLOY_DATABASE_ADMIN_URL": ADMIN_URL}, connection_problem=refuse)
    with pytest.raises(DeploymentError, match="DATABASE_ADMIN_URL: the password is wrong"):
        values.get("DATABASE_ADMIN_URL")
    assert tried == [(ADMIN_URL, "PEM")]


def test_app_url_is_derived_from_the_owners_url() -> None:
    assert app_url(ADMIN_URL, "p/w") == ("postgresql://app.ref:p%2Fw@aws-0-eu.pooler.supabase.com:6543/postgres")
    direct = "postgresql+pg8000://owner:x@db.example.com/hw?sslmode=verify-full"
    assert app_url(ADMIN_URL, "pw", "two").startswith("postgresql://two.ref:pw@")
    assert app_url(direct, "pw") == "postgresql+pg8000://app:pw@db.example.com/hw?sslmode=verify-full"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("DATABASE_ADMIN_URL", "", "empty"),
        ("DATABASE_ADMIN_URL", "mysql://a:b@c/d", "not the URL of a Postgres database"),
        ("DATABASE_ADMIN_URL", ADMIN_URL.replace("5432", "6543"), "transaction mode"),
        ("DATABASE_ADMIN_URL", ADMIN_URL.replace("postgres.ref", "app.ref"), "as the database's owner"),
        ("DATABASE_ADMIN_URL", "postgresql://postgres:pw@127.0.0.1:5432/postgres", "on this machine"),
        ("DATABASE_ADMIN_URL", ADMIN_URL.replace(":pw@", ":p@w@"), "reserved characters; write `@` as `%40`"),
        ("DATABASE_ADMIN_URL", ADMIN_URL.replace(":pw@", ":p#w/@"), "write `#` as `%23` and `/` as `%2F`"),
        ("DATABASE_ADMIN_URL", ADMIN_URL.replace(":pw@", ":p[w?@"), "write `\\?` as `%3F` and `\\[` as `%5B`"),
        ("DATABASE_ADMIN_URL", "postgres.ref:pw", "not a valid URL"),
        ("DATABASE_URL", ADMIN_URL, "as the role app"),
        ("AUTH_SECRET", "short", "32 bytes"),
    ],
)
def test_invalid_value_is_rejected_before_it_is_stored(name: str, value: str, message: str) -> None:
    installation = replace(SUPABASE, auth=Auth(issuer="https://i.example", audience="a"))
    with pytest.raises(DeploymentError, match=message):
        Values(installation, {f"DEPLOY_{name}": value}, prompt=lambda question: value, connection_problem=accept).get(
            name
        )


def test_role_of_the_settings_is_in_the_functions_url() -> None:
    installation = replace(SUPABASE, settings=(("DATABASE_ROLE", "two"),))
    environ = {"DEPLOY_DATABASE_ADMIN_URL": ADMIN_URL}
    values = Values(installation, environ, prompt=lambda question: "", connection_problem=accept)
    assert values.get("DATABASE_URL").startswith("postgresql://two.ref:")


def test_environment_variable_without_the_prefix_is_ignored() -> None:
    values = Values(SUPABASE, {"DATABASE_ADMIN_URL": ADMIN_URL}, prompt=lambda question: "")
    with pytest.raises(DeploymentError, match="empty"):
        values.get("DATABASE_ADMIN_URL")


def test_cloud_sql_ignores_database_urls_of_the_environment() -> None:
    installation = replace(SUPABASE, database="cloudsql")
    values = Values(installation, {"DEPLOY_DATABASE_ADMIN_URL": ADMIN_URL}, prompt=lambda question: "")
    assert "unix_sock=/cloudsql/" in values.get("DATABASE_ADMIN_URL")
