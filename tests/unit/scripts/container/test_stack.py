"""Settings and services of the one container."""

import json
from pathlib import Path

import pytest

from headwater.config import read_settings
from headwater.errors import ConfigError
from scripts.container.stack import ContainerStack, database_settings, port_of

OWNER_URL = "postgresql://owner:p%40ss@db.example:6432/kb?sslmode=verify-full"


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ContainerStack:
    monkeypatch.setenv("DATABASE_ADMIN_URL", OWNER_URL)
    return ContainerStack(tmp_path, 8080, {})


def test_settings_follow_from_the_volume_and_the_owners_url(stack: ContainerStack) -> None:
    settings = read_settings(stack.settings())
    stored = json.loads((stack.data / "secrets.json").read_text())
    assert settings.database_admin_url == OWNER_URL
    assert settings.database_url == f"postgresql://app:{stored['app_password']}@db.example:6432/kb?sslmode=verify-full"
    assert settings.secret_key == stored["secret_key"]
    assert settings.blob_url == (stack.data / "blobs").as_uri()
    assert settings.tasks_endpoint == "http://127.0.0.1:8084"
    assert (settings.fetch_private, settings.fetch_file_urls) == (False, False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgresql://app.ref:x@pooler.example:6543/postgres"),
        ("SECRET_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ("BLOB_URL", "s3://bucket"),
        ("AUTH_MODE", "jwt"),
    ],
)
def test_environment_takes_precedence(
    stack: ContainerStack, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert stack.environment()[name] == value


@pytest.mark.parametrize("name", ["TASKS_ENDPOINT", "COLLECTION_URL", "LOCAL_TOKEN", "GOOGLE_JWKS_URL"])
def test_environment_cannot_override_how_services_find_and_trust_each_other(
    stack: ContainerStack, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "https://evil.example")
    assert stack.environment()[name] != "https://evil.example"


def test_empty_variable_is_unset(stack: ContainerStack, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "SECRET_KEY", "AUTH_MODE", "BEHIND_PROXY"):
        monkeypatch.setenv(name, "")
    settings = read_settings(stack.settings())
    assert settings.auth_mode == "local"
    assert settings.secret_key
    assert settings.database_url.startswith("postgresql://app:")
    assert stack.services()


def test_role_of_the_functions_is_quoted_in_the_url() -> None:
    settings = database_settings({"DATABASE_ADMIN_URL": OWNER_URL, "DATABASE_ROLE": "a@b"}, "c:d")
    assert settings["DATABASE_URL"].startswith("postgresql://a%40b:c%3Ad@db.example:6432/kb")


@pytest.mark.parametrize(
    ("name", "value"),
    [("DATABASE_ADMIN_URL", ""), ("BEHIND_PROXY", "yes"), ("PORT", "http"), ("PORT", "0"), ("PORT", "65532")],
)
def test_invalid_setting_is_named(
    stack: ContainerStack, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=name):
        ContainerStack(stack.data, port_of({name: value}), {}).services()


def test_worker_gets_no_secrets_of_the_functions(stack: ContainerStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a key of a provider")
    edge = stack.services()["edge"]
    stored = json.loads((stack.data / "secrets.json").read_text())
    secrets = {"a key of a provider", "p%40ss", *stored.values()}
    values = "\n".join([*edge.environment.values(), *edge.command])
    assert not [secret for secret in secrets if secret in values]
    assert stack.token in edge.environment["SERVE_OPTIONS"]
    assert stack.token not in " ".join(word for service in stack.services().values() for word in service.command)
