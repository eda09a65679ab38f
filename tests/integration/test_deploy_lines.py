"""The lines of `scripts/deploy --plan`, read by gcloud's and wrangler's own parsers; nothing is asked of anybody."""

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.deployment import rollback
from scripts.deployment.cloud import programs
from scripts.deployment.plan.cloud_state import Found
from scripts.deployment.plan.installation import Installation, Limits
from scripts.deployment.resources import alarms, services
from scripts.deployment.resources.foundations import ACCOUNTS
from scripts.deployment.resources.images import TARGETS
from scripts.deployment.resources.queues import QUEUES
from scripts.deployment.resources.secrets import secrets
from scripts.deployment.stages import NAMES, STAGES, from_nothing
from scripts.deployment.undeploy import plan as plan_undeploy
from tests.harness.localcloud import Gcloud
from tests.harness.paths import ROOT

WANTED = Installation(
    project="acme-headwater",
    region="europe-west1",
    domain="ask.example.com",
    database="cloudsql",
    owner="owner@example.com",
    tag="t1",
    limits=Limits(budget="50EUR"),
)
_OURS = r"headwater-[a-z-]+|roles/[\w.]+|queues (create|pause|purge) \w+|bindings? (collection|embedding)|job:t\d"
FLAGS = ("--project", "acme-headwater", "--region", "europe-west1", "--domain", "ask.example.com")


def printed(*arguments: str, folder: Path) -> list[str]:
    """Return what `scripts/deploy --plan` prints on stdout, with no gcloud and no network in reach."""
    environment = {"PATH": os.defpath, "HOME": str(folder)}
    command = [str(ROOT / "scripts" / "deploy"), "--plan", "--file", str(folder / "deploy.toml"), *FLAGS, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def changing() -> list[str]:
    """Return the lines that only an installation which is there leads to."""
    names = [services.service_name(target) for target in TARGETS if target != "job"]
    there = Found(
        accounts=frozenset(map(WANTED.account, ACCOUNTS)),
        repository={},
        bucket={},
        sql_instance={},
        sql_databases=frozenset({"headwater"}),
        sql_users=frozenset({"headwater"}),
        secrets={secret.name: {} for secret in secrets(WANTED)},
        services={name: {"status": {"latestCreatedRevisionName": f"{name}-00001-abc"}} for name in names},
        queues={name: {"state": "PAUSED"} for name in QUEUES},
        schedule={},
        channels=({"name": "projects/p/notificationChannels/1", "labels": {"email_address": WANTED.owner}},),
        policies=({"name": "projects/p/alertPolicies/2", "displayName": "Headwater: a run failed"},),
        budgets=({"name": "billingAccounts/A-B-C/budgets/3", "displayName": "Headwater acme-headwater"},),
        worker_keys=("0123abcd",),
    )
    stages = [stage for stage in STAGES if stage.name not in ("job", "services")]
    planned = [command for stage in stages for command in stage.plan(WANTED, there)]
    revisions = [
        {
            "metadata": {
                "name": f"{name}-00001-abc",
                "labels": {"serving.knative.dev/service": name},
                "creationTimestamp": "",
            },
            "spec": {"containers": [{"image": "x:t0"}]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }
        for name in names
    ]
    planned += rollback.plan(WANTED, "t0", revisions)
    silent = {**alarms.read_policy(), "name": "projects/p/alertPolicies/2"}
    planned += alarms.plan_alarms(WANTED, replace(there, policies=(silent,)))
    running = replace(there, queues={name: {} for name in QUEUES}, job={}, worker_version="t")
    planned += [command for group in plan_undeploy(WANTED, running, with_data=True) for command in group]
    piped = from_nothing(replace(WANTED, pipeline=True), ["accounts", "secrets", "pipeline"])
    planned += [command for _, commands in piped for command in commands]
    federated = replace(WANTED, worker_identity="federation")
    planned += dict(from_nothing(federated, ["worker"]))["worker"]
    return [command.line() for command in planned]


def documented() -> list[str]:
    """Return gcloud's commands in the blocks of the page on deploying."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "deploy.md").read_text(), re.DOTALL)
    lines = "".join(blocks).replace("\\\n", "").splitlines()
    return [line for line in lines if line.startswith("gcloud ")]


@pytest.mark.skipif(Gcloud.is_missing(), reason="needs gcloud: it is not installed")
def test_gcloud_reads_every_line_for_both_databases_and_of_every_change_and_those_of_the_page(tmp_path: Path) -> None:
    lines = {line for database in ("supabase", "cloudsql") for line in printed("--database", database, folder=tmp_path)}
    lines |= {*changing(), *documented()}
    assert documented() != []
    # Which of our accounts or secrets a line is about, gcloud doesn't look at, and each line takes it a quarter second.
    alike = {re.sub(_OURS, "…", line): line for line in sorted(lines) if line.startswith("gcloud ")}
    ours = list(alike.values())
    assert len(ours) > 50
    (tmp_path / "lines.md").write_text("\n".join(["```", *ours, "```"]))
    environment = {**os.environ, "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"), "CLOUDSDK_CORE_DISABLE_PROMPTS": "1"}
    done = subprocess.run(
        ["gcloud", "meta", "lint-gcloud-commands", f"--commands-text-file={tmp_path / 'lines.md'}"],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    read = json.loads(done.stdout)
    assert len(read) == len(ours)
    assert [(each["command_string"], each["error_message"]) for each in read if not each["success"]] == []


def test_a_plan_needs_no_gcloud_and_no_account_and_prints_nothing_but_commands(tmp_path: Path) -> None:
    lines = printed("--database", "supabase", folder=tmp_path)
    assert {line.partition(" ")[0] for line in lines} == {"gcloud", "wrangler", "python3"}


def test_a_plan_needs_nothing_but_pythons_standard_library(tmp_path: Path) -> None:
    path = os.pathsep.join([str(ROOT), str(ROOT / "shared")])
    command = [sys.executable, "-S", "-m", "scripts.deployment", "--plan", "--file", str(tmp_path / "deploy.toml")]
    command += [*FLAGS, "--database", "cloudsql"]
    done = subprocess.run(command, env={"PYTHONPATH": path}, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, len(done.stdout.splitlines()) > 60) == (0, True), done.stderr


def test_what_is_wrong_with_a_configuration_is_told_before_anything_else(tmp_path: Path) -> None:
    command = [str(ROOT / "scripts" / "deploy"), "--plan", "--file", str(tmp_path / "deploy.toml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("missing") == 4


def test_wrangler_reads_the_workers_line_without_a_complaint(tmp_path: Path) -> None:
    [line] = [command.line() for _, commands in from_nothing(WANTED, NAMES) for command in commands[-1:]][-1:]
    program, *arguments = shlex.split(line)
    assert (program, arguments[0]) == ("wrangler", "deploy")
    dry = ("--dry-run", f"--outdir={tmp_path}")
    done = subprocess.run(
        programs.argv("wrangler", (*arguments, *dry)),
        env=programs.environment("wrangler"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "env.AUTH_MODE" in done.stdout
