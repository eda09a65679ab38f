"""Reading deploy.toml and flags into an installation, and the messages for invalid configurations."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.deployment.plan.config import ConfigurationError, build_installation, read_installation
from scripts.deployment.plan.installation import Limits
from scripts.deployment.plan.validation import connections_needed, release_problem, validate
from tests.harness.paths import ROOT

FLAGS = {"project": "acme-headwater", "region": "europe-west1", "domain": "ask.example.com", "database": "supabase"}


def problems(document: Mapping[str, object], environment: str = "", **flags: str) -> list[str]:
    """Return the lines of the error for an invalid configuration."""
    with pytest.raises(ConfigurationError) as raised:
        build_installation(document, environment, flags)
    return [line.strip() for line in str(raised.value).splitlines()]


def test_flags_replace_a_missing_file() -> None:
    installation = read_installation(Path("/nowhere/deploy.toml"), "", FLAGS)
    assert installation.project == "acme-headwater"
    assert installation.worker_name == "headwater"
    assert installation.bucket == "acme-headwater-headwater"


def test_environment_without_a_file_names_the_example_to_copy() -> None:
    with pytest.raises(ConfigurationError, match=r"/nowhere/deploy\.toml doesn't exist\. Copy docs/deploy\.example"):
        read_installation(Path("/nowhere/deploy.toml"), "production", FLAGS)


def test_example_file_is_valid_in_both_environments() -> None:
    path = ROOT / "docs" / "deploy.example.toml"
    staging, production = (read_installation(path, name, {}) for name in ("staging", "production"))
    assert (staging.worker_name, production.worker_name) == ("headwater-staging", "headwater")
    assert staging.project != production.project


def test_root_certificate_is_read_from_a_file_beside_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "deploy.toml"
    file.write_text('[settings]\nDATABASE_ROOT_CERTIFICATE = "ca.crt"')
    with pytest.raises(ConfigurationError, match=r"DATABASE_ROOT_CERTIFICATE: .*/ca\.crt can't be read"):
        read_installation(file, "", FLAGS)
    (tmp_path / "ca.crt").write_text("-----BEGIN CERTIFICATE-----\n")
    settings = (("DATABASE_ROOT_CERTIFICATE", "-----BEGIN CERTIFICATE-----"),)
    assert read_installation(file, "", FLAGS).settings == settings


def test_environment_overrides_top_level_and_flags_override_both() -> None:
    document = {
        **FLAGS,
        "limits": {"tickets": 2, "pool_size": 3},
        "staging": {"domain": "staging.example.com", "limits": {"tickets": 1}},
    }
    installation = build_installation(document, "staging", {"region": "us-central1"})
    assert (installation.region, installation.domain) == ("us-central1", "staging.example.com")
    assert (installation.limits.tickets, installation.limits.pool_size) == (1, 3)


def test_environment_overrides_pipeline() -> None:
    document = {**FLAGS, "pipeline": True, "staging": {"pipeline": False}, "production": {"project": "acme-production"}}
    assert not build_installation(document, "staging", {}).pipeline
    assert build_installation(document, "production", {}).pipeline
    assert problems({**FLAGS, "pipeline": "yes"})[1:] == ["pipeline: expected true or false"]


def test_environment_is_required_if_the_file_has_some() -> None:
    document = {**FLAGS, "staging": {}, "production": {"project": "acme-production"}}
    assert problems(document) == ["Choose an environment: scripts/deploy staging | production"]
    assert problems(document, "preview") == [
        "deploy.toml has no section [preview]. Its environments: staging, production"
    ]


def test_environments_may_not_share_a_project_or_a_domain() -> None:
    document = {**FLAGS, "a": {"project": "acme-one", "domain": "one.example.com"}, "b": {"project": "acme-one"}}
    assert problems(document, "a")[1:] == ["b.project: the same as in [a]; each environment needs its own"]


def test_error_lists_all_missing_and_unknown_keys() -> None:
    document = {"regoin": "europe-west1", "limits": {"tickets": "4", "speed": 1}, "settings": {"TICKETS": 1}}
    assert problems(document)[1:] == [
        "regoin: unknown key",
        "limits.tickets: expected a whole number, got '4'",
        "limits.speed: unknown key; expected one of chat_instances, collection_instances, embedding_instances, "
        "sandbox_instances, job_workers, pool_size, tickets, connections, budget",
        "settings.TICKETS: unknown setting; docs/settings.md lists all settings",
        "project: missing; add it to deploy.toml or pass --project",
        "region: missing; add it to deploy.toml or pass --region",
        "domain: missing; add it to deploy.toml or pass --domain",
        "database: missing; add it to deploy.toml or pass --database",
    ]


def test_settings_reject_secrets_and_settings_of_the_script() -> None:
    settings = {"ANTHROPIC_API_KEY": "k", "JOB_NAME": "j", "CHAT_MODEL": "groq:m"}
    assert problems({**FLAGS, "settings": settings})[1:] == [
        "settings.ANTHROPIC_API_KEY: a secret; remove it, scripts/deploy asks for it when needed",
        "settings.JOB_NAME: set by scripts/deploy; remove it",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "RUN_ENDPOINT",
        "TASKS_ENDPOINT",
        "FETCH_PRIVATE",
        "FETCH_FILE_URLS",
        "FETCH_FOLDERS",
        "GOOGLE_JWKS_URL",
        "TICK_S",
    ],
)
def test_settings_reject_settings_of_local_development(name: str) -> None:
    assert problems({**FLAGS, "settings": {name: "x"}})[1:] == [f"settings.{name}: set by scripts/deploy; remove it"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"project": "Acme"}, "project: 'Acme' is not a project ID"),
        ({"region": "europe"}, "region: 'europe' is not a Cloud Run region"),
        ({"domain": "https://ask.example.com"}, "domain: 'https://ask.example.com' is not a hostname"),
        ({"database": "mysql"}, "database: 'mysql' is not one of supabase, cloudsql, postgres"),
        ({"owner": "me"}, "owner: 'me' is not an e-mail address"),
        ({"worker_identity": "none"}, "worker_identity: 'none' is not one of auto, key, federation"),
        ({"auth": {"issuer": "https://i.example"}}, "auth.audience: missing"),
        ({"auth": {"audience": "a"}}, "auth.issuer: missing"),
        ({"auth": {"sign_up": "closed"}}, "auth.sign_up: 'closed' is not one of open, invited"),
        ({"limits": {"budget": "50 EUR"}}, "limits.budget: '50 EUR' is not an amount per month"),
        ({"limits": {"tickets": 0}}, "limits.tickets: expected at least 1"),
        ({"limits": {"tickets": 13}}, "limits.tickets: more than chat_instances × pool_size"),
        ({"limits": {"connections": 100}}, "limits: at full scale, instances and job workers open 125 connections"),
    ],
)
def test_invalid_values_are_rejected_with_the_reason(changed: dict[str, object], message: str) -> None:
    listed = problems({**FLAGS, **changed})[1:]
    assert [line for line in listed if line.startswith(message)] != [], listed


def test_connections_needed_matches_the_example_in_its_documentation() -> None:
    assert connections_needed(Limits()) == 2 * (3 + 3 + 3) * (4 + 2) + 4 * (2 + 2) + 1 == 125


@pytest.mark.parametrize("database", ["supabase", "cloudsql"])
def test_default_limits_fit_each_database(database: str) -> None:
    assert validate(replace(build_installation(FLAGS, "", {}), database=database)) == []


def test_file_that_is_not_toml_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "deploy.toml").write_text("region = europe")
    with pytest.raises(ConfigurationError, match=r"deploy\.toml is not valid TOML"):
        read_installation(tmp_path / "deploy.toml", "", FLAGS)


@pytest.mark.parametrize("promote_from", ["production", "test", "limits"])
def test_promotion_needs_another_environment(promote_from: str) -> None:
    environments = {
        "staging": {**FLAGS, "project": "acme-staging", "domain": "s.example.com"},
        "production": dict(FLAGS),
    }
    document = {**environments, "limits": {}, "promote_from": "staging"}
    assert build_installation({**environments, "production": {**FLAGS, "promote_from": "staging"}}, "production", {})
    document["production"] = {**FLAGS, "promote_from": promote_from}
    [_, problem] = problems(document, "production")
    assert problem.startswith(f"promote_from: '{promote_from}' is not another environment of staging, production")


@pytest.mark.parametrize(
    ("canary", "is_valid"),
    [
        ({"percent": 0}, True),
        ({"percent": 99, "minutes": 5}, True),
        ({"percent": 100}, False),
        ({"percent": -1}, False),
        ({"minutes": 4}, False),
    ],
)
def test_canary_gets_a_part_of_the_traffic_for_five_minutes_or_more(canary: dict[str, int], *, is_valid: bool) -> None:
    if is_valid:
        assert build_installation({"canary": canary}, "", FLAGS)
    else:
        assert problems({"canary": canary}, "", **FLAGS)[1].startswith("canary.")


@pytest.mark.parametrize(
    ("tag", "is_valid"),
    [
        ("v12", True),
        ("3f2a91c0d4e7", True),
        ("v1.2", False),
        ("V1", False),
        ("-v1", False),
        ("", False),
        ("x" * 64, False),
    ],
)
def test_release_name_is_valid_as_a_tag_and_as_a_label(tag: str, is_valid: bool) -> None:
    assert (release_problem(tag) == "") is is_valid
