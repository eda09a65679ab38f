"""deploy.toml and flags → an installation, or everything that is wrong with it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.deployment.plan.config import ConfigurationError, installation, read
from scripts.deployment.plan.installation import Limits
from scripts.deployment.plan.validation import connections_needed, mistakes

ROOT = Path(__file__).resolve().parents[2]
FLAGS = {"project": "acme-headwater", "region": "europe-west1", "domain": "ask.example.com", "database": "supabase"}


def wrong(document: Mapping[str, object], environment: str = "", **flags: str) -> list[str]:
    """Return what is said to be wrong with a configuration."""
    with pytest.raises(ConfigurationError) as raised:
        installation(document, environment, flags)
    return [line.strip() for line in str(raised.value).splitlines()]


def test_flags_alone_are_enough() -> None:
    wanted = read(Path("/nowhere/deploy.toml"), "", FLAGS)
    assert (wanted.project, wanted.worker, wanted.bucket) == ("acme-headwater", "headwater", "acme-headwater-headwater")


def test_the_example_can_be_deployed_in_both_its_environments() -> None:
    path = ROOT / "docs" / "deploy.example.toml"
    staging, production = (read(path, name, {}) for name in ("staging", "production"))
    assert (staging.worker, production.worker) == ("headwater-staging", "headwater")
    assert staging.project != production.project


def test_an_environment_goes_before_what_stands_outside_and_a_flag_before_both() -> None:
    document = {
        **FLAGS,
        "limits": {"tickets": 2, "pool_size": 3},
        "staging": {"domain": "staging.example.com", "limits": {"tickets": 1}},
    }
    wanted = installation(document, "staging", {"region": "us-central1"})
    assert (wanted.region, wanted.domain) == ("us-central1", "staging.example.com")
    assert (wanted.limits.tickets, wanted.limits.pool_size) == (1, 3)


def test_an_environment_may_have_a_pipeline_that_others_have_not() -> None:
    document = {**FLAGS, "pipeline": True, "staging": {"pipeline": False}, "production": {"project": "acme-production"}}
    assert not installation(document, "staging", {}).pipeline
    assert installation(document, "production", {}).pipeline
    assert wrong({**FLAGS, "pipeline": "yes"})[1:] == ["pipeline: expected true or false"]


def test_with_environments_one_has_to_be_named() -> None:
    document = {**FLAGS, "staging": {}, "production": {"project": "acme-production"}}
    assert wrong(document) == ["Which environment? scripts/deploy staging | production"]
    assert wrong(document, "preview") == ["deploy.toml has no section [preview]; it has: staging, production"]


def test_environments_may_not_share_a_project_or_a_domain() -> None:
    document = {**FLAGS, "a": {"project": "acme-one", "domain": "one.example.com"}, "b": {"project": "acme-one"}}
    assert wrong(document, "a")[1:] == ["b.project: [a] has the same; each environment needs its own"]


def test_everything_that_is_missing_or_unknown_is_told_at_once() -> None:
    told = wrong({"regoin": "europe-west1", "limits": {"tickets": "4", "speed": 1}, "settings": {"TICKETS": 1}})
    assert told[1:] == [
        "regoin: not known",
        "limits.tickets: '4' is not of the type int",
        "limits.speed: not known; expected one of chat_instances, collection_instances, embedding_instances, "
        "job_workers, pool_size, tickets, connections, budget",
        "settings.TICKETS: not known; docs/settings.md names all",
        "project: missing; write it into deploy.toml, or give --project",
        "region: missing; write it into deploy.toml, or give --region",
        "domain: missing; write it into deploy.toml, or give --domain",
        "database: missing; write it into deploy.toml, or give --database",
    ]


def test_secrets_and_what_the_script_sets_itself_are_refused_as_settings() -> None:
    told = wrong({**FLAGS, "settings": {"ANTHROPIC_API_KEY": "k", "JOB_NAME": "j", "CHAT_MODEL": "groq:m"}})
    assert told[1:] == [
        "settings.ANTHROPIC_API_KEY: a secret; scripts/deploy asks for those that are needed",
        "settings.JOB_NAME: scripts/deploy sets it itself",
    ]


def test_settings_of_a_laptop_never_reach_a_deployment_nor_what_follows_from_its_own() -> None:
    for name in ("RUN_ENDPOINT", "TASKS_ENDPOINT", "FETCH_PRIVATE", "FETCH_FILE_URLS", "GOOGLE_JWKS_URL", "TICK_S"):
        assert wrong({**FLAGS, "settings": {name: "x"}})[1:] == [f"settings.{name}: scripts/deploy sets it itself"]


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"project": "Acme"}, "project: 'Acme' is not a project's id"),
        ({"region": "europe"}, "region: 'europe' is not a region"),
        ({"domain": "https://ask.example.com"}, "domain: 'https://ask.example.com' is not a host's name"),
        ({"database": "mysql"}, "database: 'mysql' is not one of supabase, cloudsql, postgres"),
        ({"owner": "me"}, "owner: 'me' is not an e-mail address"),
        ({"worker_identity": "none"}, "worker_identity: 'none' is not one of auto, key, federation"),
        ({"auth": {"issuer": "https://i.example"}}, "auth.audience: missing"),
        ({"auth": {"audience": "a"}}, "auth.issuer: missing"),
        ({"auth": {"sign_up": "closed"}}, "auth.sign_up: 'closed' is not one of open, invited"),
        ({"limits": {"budget": "50 EUR"}}, "limits.budget: '50 EUR' is not an amount a month"),
        ({"limits": {"tickets": 0}}, "limits.tickets: expected at least 1"),
        ({"limits": {"tickets": 13}}, "limits.tickets: more than collection_instances × pool_size"),
        ({"limits": {"connections": 100}}, "limits: at their most, instances and job workers open 125 connections"),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(changed: dict[str, object], part: str) -> None:
    told = wrong({**FLAGS, **changed})
    assert [line for line in told[1:] if line.startswith(part)] != [], told


def test_connections_are_counted_as_the_documentation_says() -> None:
    assert connections_needed(Limits()) == 2 * (3 + 3 + 3) * (4 + 2) + 4 * (2 + 2) + 1 == 125


@pytest.mark.parametrize("database", ["supabase", "cloudsql"])
def test_the_default_limits_fit_each_database(database: str) -> None:
    assert mistakes(replace(installation(FLAGS, "", {}), database=database)) == []


def test_a_file_that_is_no_toml_is_told(tmp_path: Path) -> None:
    (tmp_path / "deploy.toml").write_text("region = europe")
    with pytest.raises(ConfigurationError, match=r"deploy\.toml can't be read"):
        read(tmp_path / "deploy.toml", "", FLAGS)
