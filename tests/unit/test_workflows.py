"""GitHub's workflows: pinned actions, narrow permissions, and the commands that they run."""

import os
import re
import shlex
from typing import Any

import pytest
import yaml

from scripts.deployment.__main__ import _parse
from tests.harness.paths import ROOT

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = sorted(path.name for path in FOLDER.iterdir())


def jobs(name: str) -> dict[str, Any]:
    jobs: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text())["jobs"]
    return jobs


def commands(name: str) -> list[str]:
    """Return the lines of all `run` steps."""
    steps = [step for job in jobs(name).values() for step in job["steps"]]
    return [line for step in steps for line in step.get("run", "").splitlines()]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_are_pinned_by_commit_and_name_their_version(name: str) -> None:
    lines = [line.strip().removeprefix("- ") for line in (FOLDER / name).read_text().splitlines() if "uses:" in line]
    assert lines
    assert [line for line in lines if not re.fullmatch(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


@pytest.mark.parametrize("name", WORKFLOWS)
def test_no_step_contains_an_expression_in_its_script_or_keeps_the_checkouts_token(name: str) -> None:
    assert [line for line in commands(name) if "${{" in line] == []
    for job in jobs(name).values():
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_ci_runs_the_two_commands_without_rights_to_write() -> None:
    assert commands("ci.yml") == ["scripts/check", "scripts/test"]
    assert all(os.access(ROOT / command, os.X_OK) for command in commands("ci.yml"))
    assert yaml.safe_load((FOLDER / "ci.yml").read_text())["permissions"] == {"contents": "read"}


def test_deploy_workflow_runs_all_stages_that_a_pipeline_may_run() -> None:
    stages = []
    for line in commands("deploy.yml"):
        if line.startswith("scripts/deploy "):
            options = _parse([word.replace("$ENVIRONMENT", "production") for word in shlex.split(line)[1:]])
            assert options.environment == "production"
            stages += options.stages
    assert stages == ["images", "job", "services", "queues", "release", "worker"]


def test_deploy_workflow_has_no_key_and_only_its_job_gets_an_identity() -> None:
    workflow = yaml.safe_load((FOLDER / "deploy.yml").read_text())
    assert workflow["permissions"] == {}
    assert workflow["jobs"]["deploy"]["permissions"] == {"contents": "read", "id-token": "write"}
    assert "secrets." not in (FOLDER / "deploy.yml").read_text()
    for name in (".gitignore", ".gcloudignore"):  # the action writes its credentials to the checkout
        assert "gha-creds-*.json" in (ROOT / name).read_text().splitlines()
