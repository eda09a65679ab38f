"""cloudbuild.yaml: syntax, order of steps, the scripts that steps call, and the pipeline's access."""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.deployment.__main__ import _parse
from scripts.deployment.plan.access import Binding
from scripts.deployment.plan.cloud_state import CloudState
from scripts.deployment.plan.config import ConfigurationError, build_installation
from scripts.deployment.resources import pipeline, secrets
from scripts.deployment.resources.images import PROMOTE_FILE, SOURCES, plan_images
from tests.harness.images import is_in_context
from tests.harness.localcloud import Gcloud

ROOT = Path(__file__).resolve().parents[2]
TARGETS = ["chat", "collection", "embedding", "job", "sandbox"]
PIPELINE = ["check", "test", *TARGETS, "migrate", "services", "release", "worker"]
needs_gcloud = pytest.mark.skipif(Gcloud.is_missing(), reason="needs gcloud: it is not installed")

_PARSE = """
import json, sys
sdk, path = sys.argv[1:]
sys.path[:0] = [f"{sdk}/lib", f"{sdk}/lib/third_party"]
from apitools.base.py import encoding
from googlecloudsdk.api_lib.cloudbuild import cloudbuild_util, config
build = config.LoadCloudbuildConfigFromPath(path, cloudbuild_util.GetMessagesModule())
print(encoding.MessageToJson(build))
"""


def parse(path: Path) -> "subprocess.CompletedProcess[str]":
    """Parse a build configuration offline with gcloud's bundled libraries."""
    sdk = Path(str(shutil.which("gcloud"))).resolve().parent.parent
    command = [sys.executable, "-W", "ignore", "-c", _PARSE, str(sdk), str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def steps() -> dict[str, dict[str, Any]]:
    """Return the steps by ID, in order."""
    return {step["id"]: step for step in yaml.safe_load((ROOT / "cloudbuild.yaml").read_text())["steps"]}


def before(step: str) -> set[str]:
    """Return all steps that precede a step. Without `waitFor`, a step waits for all steps above it."""
    above = list(steps())[: list(steps()).index(step)]
    direct = steps()[step].get("waitFor", above)
    assert set(direct) <= set(above), "a step waits for one that comes later"
    return set(direct).union(*map(before, direct))


@needs_gcloud
def test_gcloud_accepts_the_build_configuration() -> None:
    completed = parse(ROOT / "cloudbuild.yaml")
    assert completed.returncode == 0, completed.stderr
    assert [step["id"] for step in json.loads(completed.stdout)["steps"]] == PIPELINE


@needs_gcloud
def test_gcloud_accepts_the_configuration_that_copies_images() -> None:
    completed = parse(ROOT / PROMOTE_FILE)
    assert completed.returncode == 0, completed.stderr


def run_promotion(folder: Path, *, is_expected_download: bool) -> tuple[int, list[str]]:
    """Run the script that copies images, with a shell script as gcrane that fails once, as before a grant is effective.

    Returns the exit code and gcrane's arguments.
    """
    [step] = yaml.safe_load((ROOT / PROMOTE_FILE).read_text())["steps"]
    for name, text in {
        "gcrane": f'echo "$@" >>{folder}/calls; [ $(wc -l <{folder}/calls) -gt 1 ]',
        "curl": 'cp download gcrane.tar.gz; [ "$1" = -fsSL ]',
        "sleep": "",
    }.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    (folder / "calls").touch()
    subprocess.run(["tar", "-czf", "download", "gcrane"], cwd=folder, check=True)
    script = step["script"]
    if is_expected_download:
        checksum = hashlib.sha256((folder / "download").read_bytes()).hexdigest()
        script = re.sub("[0-9a-f]{64}(?=  gcrane)", checksum, script)
    values = {"_FROM": "us/s", "_TO": "eu/p", "_TAG": "v7"} | {f"_{each.upper()}": f"sha256:{each}" for each in TARGETS}
    environment = values | {"PATH": f"{folder}{os.pathsep}{os.defpath}"}
    completed = subprocess.run(["sh", "-c", script], cwd=folder, env=environment, capture_output=True, check=False)
    return completed.returncode, (folder / "calls").read_text().splitlines()


def test_promotion_copies_each_image_by_its_digest(tmp_path: Path) -> None:
    copies = [f"cp us/s/{target}@sha256:{target} eu/p/{target}:v7" for target in TARGETS]
    assert run_promotion(tmp_path, is_expected_download=True) == (0, [copies[0], *copies])


def test_promotion_runs_no_other_download(tmp_path: Path) -> None:
    assert run_promotion(tmp_path, is_expected_download=False) == (1, [])


@pytest.mark.parametrize("path", ["cloudbuild.yaml", PROMOTE_FILE])
def test_images_of_steps_are_pinned_by_digest(path: str) -> None:
    names = [step["name"] for step in yaml.safe_load((ROOT / path).read_text())["steps"]]
    assert [name for name in names if not re.fullmatch(r"gcr\.io/[\w./:-]+@sha256:[0-9a-f]{64}", name)] == []


@needs_gcloud
def test_gcloud_rejects_an_unknown_key(tmp_path: Path) -> None:
    broken = tmp_path / "cloudbuild.yaml"
    broken.write_text((ROOT / "cloudbuild.yaml").read_text().replace("steps:", "stepz:"))
    completed = parse(broken)
    assert completed.returncode != 0
    assert "stepz" in completed.stderr


def test_images_wait_for_checks_and_tests_and_no_step_may_fail() -> None:
    assert before("test") == {"check"}
    assert all(before(step) >= {"check", "test"} for step in PIPELINE[2:])
    assert [step for step, fields in steps().items() if fields.keys() & {"allowFailure", "allowExitCodes"}] == []


def test_images_are_built_concurrently() -> None:
    assert {target: before(target) for target in TARGETS} == {target: {"check", "test"} for target in TARGETS}


def test_order_is_migrate_services_release_worker() -> None:
    assert before("migrate") == {"check", "test", *TARGETS}
    assert before("services") == before("migrate") | {"migrate"}
    assert before("release") == before("services") | {"services"}
    assert before("worker") == before("release") | {"release"}


def deployed(step: str) -> list[str]:
    """Return the stages of `scripts/deploy` that a step runs, parsed by the script's own parser."""
    [line] = [line for line in steps()[step]["script"].splitlines() if "scripts/deploy" in line]
    words = shlex.split(line.partition("scripts/deploy ")[2])
    options = _parse([word.replace("$_ENVIRONMENT", "production").replace("$_TAG", "t1") for word in words])
    assert (options.environment, options.tag) == ("production", "t1")
    return list(options.stages)


def test_steps_run_each_stage_once() -> None:
    assert {step: deployed(step) for step in PIPELINE[2 + len(TARGETS) :]} == {
        "migrate": ["job"],
        "services": ["services", "queues"],
        "release": ["release"],
        "worker": ["worker"],
    }


def test_scripts_called_by_steps_exist_and_are_shell() -> None:
    text = (ROOT / "cloudbuild.yaml").read_text()
    called = set(re.findall(r"scripts/[\w./]+\b", "\n".join(re.sub(r"#.*", "", line) for line in text.splitlines())))
    assert called == {"scripts/check", "scripts/deploy", "scripts/deployment/resources/image.sh", "scripts/test"}
    for name in called:
        assert subprocess.run(["sh", "-n", ROOT / name], check=False).returncode == 0
        assert name.endswith(".sh") or os.access(ROOT / name, os.X_OK)


@pytest.mark.parametrize("step", ["check", "test", "migrate", "services", "release", "worker"])
def test_steps_other_than_images_do_nothing_without_an_environment(step: str) -> None:
    script = steps()[step]["script"]
    nothing = {"PATH": "/nowhere", "_ENVIRONMENT": "", "_TAG": "t1"}
    completed = subprocess.run(["/bin/sh", "-c", script], env=nothing, capture_output=True, text=True, check=False)
    assert (completed.returncode, completed.stdout, completed.stderr) == (0, "", "")


def test_release_requires_a_tag() -> None:
    script = steps()["check"]["script"]
    unnamed = {"PATH": "/nowhere", "_ENVIRONMENT": "production", "_TAG": "latest"}
    completed = subprocess.run(["/bin/sh", "-c", script], env=unnamed, capture_output=True, text=True, check=False)
    assert (completed.returncode, completed.stderr) == (
        1,
        "_TAG is required for a release, such as --substitutions=_TAG=v1\n",
    )


def build_image(folder: Path, docker: str, checkout: Path = ROOT) -> tuple[int, list[str]]:
    """Run image.sh with a shell script as docker; returns its exit code and the docker command lines."""
    (folder / "calls").touch()
    (folder / "docker").write_text(f'#!/bin/sh\necho "$@" >>{folder}/calls\n{docker}\n')
    (folder / "docker").chmod(0o755)
    command = ["sh", str(ROOT / "scripts" / "deployment" / "resources" / "image.sh"), "chat", "eu/p/headwater", "t1"]
    environment = os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    completed = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, check=False)
    return completed.returncode, (folder / "calls").read_text().splitlines()


def test_image_uses_the_latest_as_cache_and_is_pushed_with_both_tags(tmp_path: Path) -> None:
    code, calls = build_image(tmp_path, "")
    assert code == 0
    assert [line.split()[0] for line in calls] == ["pull", "build", "push", "push"]
    assert "--cache-from=eu/p/headwater/chat:latest" in calls[1].split()
    assert "--build-arg=BUILDKIT_INLINE_CACHE=1" in calls[1].split()
    assert [line.split()[1] for line in calls[2:]] == ["eu/p/headwater/chat:t1", "eu/p/headwater/chat:latest"]


@pytest.mark.parametrize(
    ("base", "is_built"),
    [
        ("python:3.11-slim-bookworm@sha256:" + "0" * 64, True),
        ("python:3.11-slim-bookworm", False),
        ("python:3.11-slim-bookworm@sha256:0123", False),
    ],
)
def test_image_is_built_only_from_a_base_that_is_pinned_by_digest(tmp_path: Path, base: str, is_built: bool) -> None:
    (tmp_path / "Dockerfile").write_text(f"ARG PYTHON={base}\nFROM ${{PYTHON}} AS chat\n")
    code, calls = build_image(tmp_path, "", tmp_path)
    assert (code == 0, calls != []) == (is_built, is_built)


def test_every_stage_is_based_on_the_pinned_base_or_on_another_stage() -> None:
    text = (ROOT / "Dockerfile").read_text()
    bases = re.findall(r"^FROM (\S+) AS (\S+)$", text, flags=re.MULTILINE)
    assert {base for base, _ in bases} <= {"${PYTHON}", *(name for _, name in bases)}
    assert len(bases) == len(re.findall(r"^FROM ", text, flags=re.MULTILINE)) > 5


def test_failed_first_build_is_not_pushed(tmp_path: Path) -> None:
    code, calls = build_image(tmp_path, '[ "$1" = push ] || exit 1')
    assert code == 1
    assert [line.split()[0] for line in calls] == ["pull", "build"]
    assert "cache-from" not in calls[1]


@pytest.mark.skipif(shutil.which("docker") is None, reason="needs docker: it is not installed")
def test_docker_accepts_the_build_flags() -> None:
    environment = os.environ | {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
    command = ["sh", str(ROOT / "scripts" / "deployment" / "resources" / "image.sh"), "chat", "eu/p/headwater", "t1"]
    completed = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert completed.returncode != 0
    assert "nowhere/docker.sock" in completed.stderr
    assert "unknown" not in completed.stderr


@needs_gcloud
def test_upload_contains_all_sources_and_no_build_products(tmp_path: Path) -> None:
    environment = os.environ | {"CLOUDSDK_CONFIG": str(tmp_path)}
    command = ["gcloud", "meta", "list-files-for-upload", str(ROOT)]
    completed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    uploaded = set(completed.stdout.splitlines())
    tops = {path.split("/")[0] for path in uploaded}
    assert tops >= {*(name.split("/")[0] for name in SOURCES), "tests", "edge", "docs", "bench", "localcloud", ".ci"}
    assert {"cloudbuild.yaml", ".dockerignore", "scripts/check", "scripts/test", "scripts/deploy"} <= uploaded
    generated = re.compile(
        r"(^|/)(\.git|\.venv|\.headwater|\.env|node_modules|dist|\.wrangler|__pycache__|\.\w+_cache)(/|$)"
    )
    assert [path for path in uploaded if generated.search(path)] == []
    assert sum((ROOT / path).stat().st_size for path in uploaded) < 20_000_000
    # The part of it that is the images' build context.
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    context = [path for path in uploaded if is_in_context(path, patterns)]
    assert {path.split("/")[0] for path in context} == {
        *("shared", "functions", "scripts"),
        *("edge", "docs", "localcloud"),  # of the one container
    }


FLAGS = {"project": "acme-headwater", "region": "europe-west1", "domain": "ask.example.com", "database": "supabase"}


def test_scripts_deploy_submits_a_build_without_an_environment() -> None:
    [command] = plan_images(build_installation({}, "", FLAGS), CloudState())
    assert [each for each in command.arguments if "_ENVIRONMENT" in each] == []
    assert command.arguments[:2] == ("builds", "submit")


def test_pipeline_account_has_narrow_access() -> None:
    installation = build_installation({"production": {"pipeline": True}}, "production", FLAGS)
    without = build_installation({}, "", FLAGS)
    assert pipeline.plan_pipeline(without, CloudState()) == []
    granted = pipeline._bindings(installation, CloudState())
    assert {binding.member for binding in granted} == {f"serviceAccount:{installation.account('pipeline')}"}
    on_project = {binding.role for binding in granted if binding.resource.startswith("project/")}
    assert {role for role in on_project if re.search("viewer|Reviewer|Consumer|logWriter", role) is None} == {
        "roles/cloudscheduler.admin"
    }
    service = "service/headwater-chat"
    assert Binding(service, "roles/run.developer", granted[0].member) in granted
    assert Binding(service, "roles/run.invoker", granted[0].member) in granted
    readers = {secret.setting for secret in secrets.secrets(installation) if "pipeline" in secret.readers}
    assert readers == {"AUTH_SECRET", "CLOUDFLARE_API_TOKEN"}
    assert "pipeline" not in {reader for secret in secrets.secrets(without) for reader in secret.readers}


def test_github_may_become_the_pipeline_only_in_the_environment_of_the_installation() -> None:
    document = {"production": {"pipeline": True, "github": "acme/headwater"}}
    installation = build_installation(document, "production", FLAGS)
    pool, provider, *grants = pipeline.plan_pipeline(installation, CloudState())
    assert pool.arguments[:3] == ("iam", "workload-identity-pools", "create")
    assert "--attribute-condition=assertion.repository == 'acme/headwater'" in provider.arguments
    [grant] = [each for each in grants if "--role=roles/iam.workloadIdentityUser" in each.arguments]
    assert grant.arguments[3] == installation.account("pipeline")
    [member] = [each for each in grant.arguments if each.startswith("--member=")]
    assert member.endswith("/workloadIdentityPools/headwater/attribute.target/acme/headwater/production")
    trusted = CloudState(pool={}, github={"attributeCondition": "assertion.repository == 'acme/headwater'"})
    assert not any("providers" in each.arguments for each in pipeline.plan_pipeline(installation, trusted))
    moved = replace(installation, github="acme/other")
    [update] = [each for each in pipeline.plan_pipeline(moved, trusted) if "providers" in each.arguments]
    assert update.arguments[3] == "update-oidc"


@pytest.mark.parametrize("broken", [{"github": "headwater", "pipeline": True}, {"github": "acme/headwater"}])
def test_github_needs_a_repository_and_the_pipelines_account(broken: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="github: "):
        build_installation(broken, "", FLAGS)
