"""Settings: types, validation, and the page that documents them."""

from dataclasses import fields

import pytest

from headwater.config import (
    Settings,
    agent_environment,
    environment_without_settings,
    find_ignored_aliases,
    read_settings,
)
from headwater.errors import ConfigError
from tests.harness.paths import ROOT

DOCS = ROOT / "docs" / "settings.md"
REQUIRED = {"DATABASE_URL": "postgresql+pg8000://app@localhost/x"}


def test_error_lists_every_missing_or_invalid_setting() -> None:
    with pytest.raises(ConfigError) as raised:
        read_settings({"FETCH_PRIVATE": "perhaps", "MAX_ATTEMPTS": "-1", "LOCAL_WORKSPACE_ID": "x"})
    for name in ("DATABASE_URL", "FETCH_PRIVATE", "MAX_ATTEMPTS", "LOCAL_WORKSPACE_ID"):
        assert name in raised.value.message


def test_values_are_parsed_by_type() -> None:
    settings = read_settings(
        {**REQUIRED, "CORS_ORIGINS": "https://a.example, https://b.example", "FETCH_PRIVATE": "yes"}
    )
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert settings.fetch_private is True
    assert settings.chat_model == "extractive"


def test_empty_value_means_unset() -> None:
    assert read_settings({**REQUIRED, "LEASE_S": ""}).lease_s == Settings(database_url="x").lease_s


def test_google_credentials_are_not_sent_in_the_clear() -> None:
    given = {**REQUIRED, "TRACES_GOOGLE_CREDENTIALS": "true"}
    for endpoint in ("http://collector.example", ""):
        with pytest.raises(ConfigError, match="TRACES_GOOGLE_CREDENTIALS"):
            read_settings({**given, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint})
    read_settings({**given, "OTEL_EXPORTER_OTLP_ENDPOINT": "https://telemetry.googleapis.com"})


@pytest.mark.parametrize("name", ["K_SERVICE", "CLOUD_RUN_JOB"])
def test_local_mode_is_rejected_on_cloud_run(name: str) -> None:
    with pytest.raises(ConfigError, match="AUTH_MODE"):
        read_settings({**REQUIRED, name: "x"})


JWT = {"AUTH_MODE": "jwt", "AUTH_ISSUER": "https://issuer.example", "AUTH_AUDIENCE": "a", "AUTH_SECRET": "s" * 32}


def test_jwt_mode_accepts_a_secret_published_keys_or_both() -> None:
    keys = {"AUTH_JWKS_URL": "https://issuer.example/.well-known/jwks.json"}
    for changes in ({}, keys, {**keys, "AUTH_SECRET": ""}, {"AUTH_JWKS_URL": "http://localhost:8000/jwks"}):
        assert read_settings({**REQUIRED, **JWT, **changes}).auth_mode == "jwt"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AUTH_ISSUER", ""),
        ("AUTH_AUDIENCE", ""),
        ("AUTH_SECRET", ""),
        ("AUTH_SECRET", "s" * 31),
        ("AUTH_JWKS_URL", "http://issuer.example/jwks"),
        ("AUTH_JWKS_URL", "file:///jwks"),
        ("AUTH_JWKS_URL", "https://[::1"),
        ("GOOGLE_JWKS_URL", "http://www.googleapis.com/oauth2/v3/certs"),
        ("SIGN_UP", "closed"),
        ("AUTH_MODE", "none"),
    ],
)
def test_insecure_token_settings_are_rejected(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        read_settings({**REQUIRED, **JWT, name: value})


def test_worker_budget_above_dispatch_deadline_is_rejected() -> None:
    with pytest.raises(ConfigError, match="WORKER_BUDGET_S"):
        read_settings({**REQUIRED, "WORKER_BUDGET_S": "700"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LEASE_S", "0"),
        ("FETCH_BATCH", "0"),
        ("EMBED_BATCH", "0"),
        ("MAX_TICKETS", "0"),
        ("DATABASE_POOL_SIZE", "0"),
        ("WATCHDOG_S", "0.5"),
        ("SECRET_KEY", "c2hvcnQ="),
        ("SECRET_KEY", "n\u00f6"),
        ("LOG_LEVEL", "verbose"),
        ("OPENAI_API_KEY", "sk-12\u2026"),
        ("TAVILY_API_KEY", "tvly-1\ntvly-2"),
    ],
)
def test_unusable_value_is_rejected(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        read_settings({**REQUIRED, name: value})


@pytest.mark.parametrize("spec", fields(Settings), ids=lambda spec: spec.name)
def test_settings_page_describes_each_setting(spec: "object") -> None:
    page = DOCS.read_text()
    assert f"`{spec.name.upper()}`" in page  # type: ignore[attr-defined]
    assert spec.metadata["help"] in page  # type: ignore[attr-defined]


@pytest.mark.parametrize(("value", "expected"), [("key-1\n", "key-1"), (" key-1\r\n", "key-1"), (" \n", "")])
def test_white_space_around_a_key_is_ignored(value: str, expected: str) -> None:
    assert read_settings({**REQUIRED, "COHERE_API_KEY": value}).cohere_api_key == expected


def test_mail_settings_are_checked_and_the_password_is_a_secret() -> None:
    sender = {"MAIL_FROM": "Headwater <answers@x.example>"}
    settings = read_settings({**REQUIRED, **sender, "SMTP_URL": "smtps://me:pass%20word@mail.example:465"})
    assert "pass word" in settings.secrets
    assert not any("mail.example" in secret for secret in settings.secrets), "logs name the server"
    read_settings({**REQUIRED, **sender, "SMTP_URL": "smtp://127.0.0.1:25"})
    for url in (
        "mail.example",
        "http://mail.example",
        "smtps://",
        "smtp://me:secret-1@mail.example",
        "smtps://m:99999",
    ):
        with pytest.raises(ConfigError, match="SMTP_URL") as raised:
            read_settings({**REQUIRED, **sender, "SMTP_URL": url})
        assert "secret-1" not in str(raised.value)
    for right in ("a@x.example", '"Acme, Inc." <a@x.example>'):
        read_settings({**REQUIRED, "MAIL_FROM": right, "SMTP_URL": "smtps://mail.example"})
    for wrong in ("", "x", "a@x.example\r\nBcc: b@x.example", "<a@x.example> b", "Acme, Inc. <a@x.example>", "a@x.y>"):
        with pytest.raises(ConfigError, match="MAIL_FROM"):
            read_settings({**REQUIRED, "MAIL_FROM": wrong, "SMTP_URL": "smtps://mail.example"})


def test_error_of_a_broken_key_does_not_quote_it() -> None:
    with pytest.raises(ConfigError) as raised:
        read_settings({**REQUIRED, "GROQ_API_KEY": "gsk\u2026secret"})
    assert "secret" not in raised.value.message


def test_names_of_other_programs_are_read_unless_ours_is_set() -> None:
    others = {"GEMINI_API_KEY": "g", "OPENAI_API_BASE": "http://other/v1", "JWT_SECRET": "j" * 32}
    settings = read_settings({**REQUIRED, **others})
    assert (settings.google_api_key, settings.openai_base_url, settings.auth_secret) == (
        "g",
        "http://other/v1",
        "j" * 32,
    )
    assert find_ignored_aliases(others) == []
    both = {**REQUIRED, **others, "GOOGLE_API_KEY": "ours", "JWT_SECRET": "j", "AUTH_SECRET": "j" * 32}
    assert read_settings(both).google_api_key == "ours"
    assert find_ignored_aliases(both) == ["JWT_SECRET", "GEMINI_API_KEY"]


def test_agents_get_no_settings_but_what_is_given_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "AGENT_ENV_OPENAI_API_KEY", "SUPPORT_KEY"):
        monkeypatch.setenv(name, name)
    assert "OPENAI_API_KEY" not in environment_without_settings()
    assert "AGENT_ENV_OPENAI_API_KEY" not in environment_without_settings()
    environment = agent_environment()
    assert environment["OPENAI_API_KEY"] == "AGENT_ENV_OPENAI_API_KEY"
    assert environment["SUPPORT_KEY"] == "SUPPORT_KEY"
    assert "AGENT_ENV_OPENAI_API_KEY" not in environment
