"""The commands that `scripts/deploy --plan` prints, checked offline by gcloud's and wrangler's own parsers."""

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
from scripts.deployment.plan.cloud_state import CloudState
from scripts.deployment.plan.installation import Canary, Installation, Limits
from scripts.deployment.resources import alarms, services
from scripts.deployment.resources.foundations import ACCOUNTS
from scripts.deployment.resources.images import TARGETS, plan_images
from scripts.deployment.resources.queues import QUEUES
from scripts.deployment.resources.secrets import secrets
from scripts.deployment.stages import NAMES, STAGES, from_nothing
from scripts.deployment.undeploy import plan as plan_undeploy
from tests.harness.localcloud import Gcloud
from tests.harness.paths import ROOT

INSTALLATION = Installation(
    project="acme-headwater",
    region="europe-west1",
    domain="ask.example.com",
    database="cloudsql",
    owner="owner@example.com",
    tag="t1",
    limits=Limits(budget="50EUR"),
)
_OURS = "|".join(
    (
        r"headwater-[a-z-]+|roles/[\w.]+|bindings? (?:collection|embedding)|job:t\d|Headwater: \w+|stdin: \w+",
        r"queues (?:create|pause|purge|resume|update) \w+|alert-policies/[\w-]+|alertPolicies/\d",
    )
)
FLAGS = ("--project", "acme-headwater", "--region", "europe-west1", "--domain", "ask.example.com")


def printed(*arguments: str, folder: Path) -> list[str]:
    """Return what `scripts/deploy --plan` prints to stdout without gcloud in PATH."""
    environment = {"PATH": os.defpath, "HOME": str(folder)}
    command = [str(ROOT / "scripts" / "deploy"), "--plan", "--file", str(folder / "deploy.toml"), *FLAGS, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def lines_for_changes() -> list[str]:
    """Return commands that occur only for existing installations: updates, rollbacks, removal."""
    names = [services.service_name(target) for target in TARGETS if target != "job"]
    existing = CloudState(
        accounts=frozenset(map(INSTALLATION.account, ACCOUNTS)),
        repository={},
        bucket={},
        sql_instance={},
        sql_databases=frozenset({"headwater"}),
        sql_users=frozenset({"headwater"}),
        secrets={secret.name: {} for secret in secrets(INSTALLATION)},
        services={
            name: {
                "status": {
                    "latestCreatedRevisionName": f"{name}-00001-abc",
                    "traffic": [{"revisionName": f"{name}-00000-abc", "percent": 100}],
                }
            }
            for name in names
        },
        queues={name: {"state": "PAUSED"} for name in QUEUES},
        schedule={},
        channels=({"name": "projects/p/notificationChannels/1", "labels": {"email_address": INSTALLATION.owner}},),
        policies=({"name": "projects/p/alertPolicies/2", "displayName": "Headwater: a run failed"},),
        budgets=({"name": "billingAccounts/A-B-C/budgets/3", "displayName": "Headwater acme-headwater"},),
        worker_keys=("0123abcd",),
    )
    stages = [stage for stage in STAGES if stage.name not in ("job", "services")]
    with_canary = replace(INSTALLATION, canary=Canary(percent=10))
    planned = [command for stage in stages for command in stage.plan(with_canary, existing)]
    planned += [undo for command in planned for undo in command.undo]
    revisions = [
        {"metadata": {"name": f"{name}-00001-abc", "labels": {"serving.knative.dev/service": name, "release": "t0"}}}
        for name in names
    ]
    built = replace(existing, images={INSTALLATION.image("job", "t0"): "eu/job@sha256:0"})
    planned += [command for group in rollback.plan(INSTALLATION, built, revisions) for command in group]
    without_recipients = tuple(
        {**policy, "name": f"projects/p/alertPolicies/{n}"} for n, policy in enumerate(alarms.read_policies().values())
    )
    planned += alarms.plan_alarms(INSTALLATION, replace(existing, policies=without_recipients))
    running = replace(
        existing,
        queues={name: {} for name in QUEUES},
        job={},
        has_worker=True,
    )
    planned += [command for group in plan_undeploy(INSTALLATION, running, with_data=True) for command in group]
    images = ((target, f"us-east1-docker.pkg.dev/staging/headwater/{target}@sha256:0") for target in TARGETS)
    pool = "projects/p/locations/europe-west1/workerPools/private"
    planned += plan_images(replace(INSTALLATION, promoted=tuple(images), build_pool=pool), CloudState())
    deployed_by = replace(INSTALLATION, pipeline=True, github="acme/headwater")
    with_pipeline = from_nothing(deployed_by, ["accounts", "secrets", "pipeline"])
    planned += [command for _, commands in with_pipeline for command in commands]
    with_key = replace(INSTALLATION, worker_identity="key")
    planned += dict(from_nothing(with_key, ["worker"]))["worker"]
    return [command.line() for command in planned]


def documented() -> list[str]:
    """Return the gcloud commands of docs/deploy.md."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "deploy.md").read_text(), re.DOTALL)
    lines = "".join(blocks).replace("\\\n", "").splitlines()
    return [line for line in lines if line.startswith("gcloud ")]


@pytest.mark.skipif(Gcloud.is_missing(), reason="needs gcloud: it is not installed")
def test_gcloud_accepts_all_planned_and_documented_commands(tmp_path: Path) -> None:
    lines = {line for database in ("supabase", "cloudsql") for line in printed("--database", database, folder=tmp_path)}
    lines |= {*lines_for_changes(), *documented()}
    assert documented() != []
    # Linting takes 0.25 s per line and doesn't depend on names, so lines that differ only in names are linted once.
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


def test_plan_works_without_gcloud_and_prints_only_commands(tmp_path: Path) -> None:
    lines = printed("--database", "supabase", folder=tmp_path)
    assert {line.partition(" ")[0] for line in lines} == {"gcloud", "node", "wrangler", "python3"}


def test_plan_needs_only_the_standard_library(tmp_path: Path) -> None:
    path = os.pathsep.join([str(ROOT), str(ROOT / "shared")])
    command = [sys.executable, "-S", "-m", "scripts.deployment", "--plan", "--file", str(tmp_path / "deploy.toml")]
    command += [*FLAGS, "--database", "cloudsql"]
    done = subprocess.run(command, env={"PYTHONPATH": path}, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, len(done.stdout.splitlines()) > 60) == (0, True), done.stderr


def test_invalid_configuration_exits_with_2_before_printing_commands(tmp_path: Path) -> None:
    command = [str(ROOT / "scripts" / "deploy"), "--plan", "--file", str(tmp_path / "deploy.toml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("missing") == 4


def test_wrangler_accepts_the_deploy_command_without_warnings(tmp_path: Path) -> None:
    [line] = [command.line() for _, commands in from_nothing(INSTALLATION, NAMES) for command in commands[-1:]][-1:]
    program, *arguments = shlex.split(line)
    assert (program, arguments[0]) == ("wrangler", "deploy")
    dry = ("--dry-run", f"--outdir={tmp_path}")
    done = subprocess.run(
        programs.argv("wrangler", (*arguments, *dry)),
        env=programs.environment("wrangler"),
        input='{"AUTH_SECRET": "secret"}',
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "env.AUTH_MODE" in done.stdout
