"""Environment variables and memory of the containers."""

from dataclasses import replace

import pytest

from scripts.deployment.plan.cloud_state import CloudState
from scripts.deployment.plan.installation import FUNCTIONS, Installation, Limits
from scripts.deployment.resources.containers import desired_container
from tests.harness.deployment import SUPABASE, VERSIONS

STATE = CloudState(project_number="1", versions=VERSIONS)


def max_repo_bytes(installation: Installation) -> dict[str, int]:
    """Return MAX_REPO_BYTES of each container that has it."""
    variables = {name: dict(desired_container(name, installation, STATE).variables) for name in (*FUNCTIONS, "job")}
    return {name: int(each["MAX_REPO_BYTES"]) for name, each in variables.items() if "MAX_REPO_BYTES" in each}


@pytest.mark.parametrize("tickets", [1, 4, 12])
def test_repositories_fit_into_the_memory_that_parsing_leaves(tickets: int) -> None:
    installation = replace(SUPABASE, limits=Limits(tickets=tickets))
    mib = 1024**2
    memory = {name: desired_container(name, installation, STATE).memory for name in ("collection", "job")}
    assert memory == {"collection": "2Gi", "job": "4Gi"}
    left = (2048 - 384 - 2 * (384 + 96)) * mib
    assert max_repo_bytes(installation) == {"collection": left // tickets, "job": 2048 * mib}


def test_repositories_get_less_memory_if_parsing_gets_more() -> None:
    settings = (("PARSE_MEMORY_BYTES", str(600 * 1024**2)), ("PARSE_PROCESSES", "1"))
    limits = max_repo_bytes(replace(SUPABASE, limits=Limits(tickets=4), settings=settings))
    assert limits["collection"] == (2048 - 384 - 696) * 1024**2 // 4


def test_configured_max_repo_bytes_overrides_the_computed_limit() -> None:
    limits = max_repo_bytes(replace(SUPABASE, settings=(("MAX_REPO_BYTES", "1000"),)))
    assert (limits["collection"], limits["job"]) == (1000, 1000)
