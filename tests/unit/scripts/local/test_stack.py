"""Settings and services of the local stack."""

import json
from pathlib import Path

import pytest

from headwater.config import read_settings
from scripts.local.stack import Stack, StackError, read_dotenv


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    (tmp_path / "pg").mkdir()
    (tmp_path / "pg" / "password").write_text("owner's")
    return Stack(tmp_path, 9000, {})


def test_settings_of_the_stack_are_valid(stack: Stack) -> None:
    settings = read_settings(stack.settings())
    assert settings.auth_mode == "local"
    assert settings.tasks_endpoint == "http://127.0.0.1:9004"
    assert settings.collection_url == "http://127.0.0.1:9002"
    assert settings.embedding_url == "http://127.0.0.1:9003"
    assert ":9005/" in settings.database_url
    assert settings.database_url.startswith("postgresql+pg8000://app:")


def test_environment_takes_precedence_over_dotenv_files(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    (stack.data / ".env").write_text("OPENAI_API_KEY=from-file\nCHAT_MODEL='openai:gpt-5'  # quoted\n")
    monkeypatch.delenv("CHAT_MODEL", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "from-shell")
    assert stack.environment()["OPENAI_API_KEY"] == "from-shell"
    assert stack.environment()["CHAT_MODEL"] == "openai:gpt-5"


def test_command_line_takes_precedence_over_the_environment(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDDING_MODEL", "constant")
    given = Stack(stack.data, 9000, {"EMBEDDING_MODEL": "all-MiniLM-L6-v2"})
    assert given.settings()["EMBEDDING_MODEL"] == "all-MiniLM-L6-v2"


@pytest.mark.parametrize("name", ["DATABASE_URL", "DATABASE_ADMIN_URL", "TASKS_ENDPOINT", "BLOB_URL"])
def test_environment_cannot_override_what_the_stack_sets(
    stack: Stack, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "production")
    assert stack.environment()[name] != "production"


def test_secrets_are_in_the_environment_and_on_no_command_line(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """All users of a machine can read command lines."""
    secret = "it's $HOME, \\n `and` 32 bytes or more"
    (stack.data / ".env").write_text("AUTH_MODE=jwt\nAUTH_ISSUER=https://issuer.example\nAUTH_AUDIENCE='a,b'\n")
    monkeypatch.setenv("AUTH_SECRET", secret)
    services = stack.services()
    variables = json.loads(services["edge"].environment["WORKER_VARIABLES"])
    expected = {"AUTH_MODE": "jwt", "AUTH_ISSUER": "https://issuer.example", "AUTH_AUDIENCE": "a,b"}
    assert expected | {"AUTH_SECRET": secret, "LOCAL_TOKEN": stack.token} == {
        name: value for name, value in variables.items() if not name.endswith("_URL")
    }
    stored = json.loads((stack.data / "secrets.json").read_text())
    secrets = {secret, stack.token, stack.cluster.password, *stored.values()}
    words = [word for service in services.values() for word in service.command]
    assert not [word for word in words for value in secrets if value in word]


def test_variables_of_cloud_run_are_not_inherited(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K_SERVICE", "chat")
    monkeypatch.setenv("PORT", "1")
    assert not {"K_SERVICE", "PORT"} & stack.environment().keys()


def test_secrets_are_created_once(stack: Stack) -> None:
    assert stack.own_settings()["SECRET_KEY"] == stack.own_settings()["SECRET_KEY"]
    assert (stack.data / "secrets.json").stat().st_mode & 0o077 == 0


def test_damaged_secrets_are_kept_and_named(stack: Stack) -> None:
    (stack.data / "secrets.json").write_text("")
    with pytest.raises(StackError, match="is damaged"):
        stack.own_settings()
    assert (stack.data / "secrets.json").exists()


def test_read_dotenv_parses_shell_quoting(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("# a comment\n\nexport A=1\nB='two words'\nC=\nD=x=y\n")
    assert read_dotenv(file) == {"A": "1", "B": "two words", "C": "", "D": "x=y"}
    assert read_dotenv(tmp_path / "none") == {}


@pytest.mark.parametrize("line", ["just words", "A='unclosed"])
def test_read_dotenv_names_an_invalid_line(tmp_path: Path, line: str) -> None:
    (tmp_path / ".env").write_text(f"A=1\n{line}\n")
    with pytest.raises(StackError, match="line 2: expected NAME=value"):
        read_dotenv(tmp_path / ".env")
