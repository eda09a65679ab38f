"""The Cloudflare Worker and its custom domain; Cloudflare creates the DNS record and certificate. Plans are pure."""

import hashlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from scripts import setup
from scripts.deployment.cloud import programs
from scripts.deployment.cloud.failures import DeploymentError
from scripts.deployment.cloud.read_cloud import GoogleCloud, Json, read_concurrently
from scripts.deployment.plan.cloud_state import CloudState
from scripts.deployment.plan.commands import Command, gcloud
from scripts.deployment.plan.installation import FUNCTIONS, Installation
from scripts.deployment.plan.settings import auth_settings, service_url
from scripts.deployment.resources import identity
from scripts.deployment.resources.identity import plan_identity, read_identity

CONFIG = "edge/wrangler.jsonc"
_AUTH_SECRET = "headwater-auth-secret"
_MISSING = ("code: 10007", "not found", "does not exist")


def read_worker(google: GoogleCloud, installation: Installation, state: CloudState) -> CloudState:
    """Read the Worker's version and secrets from Cloudflare, and its identity from Google."""
    identity_state, version, secrets = read_concurrently(
        [
            partial(read_identity, google, installation, state),
            partial(_version, installation),
            partial(_secrets, installation),
        ]
    )
    with_identity: CloudState = identity_state
    return replace(with_identity, worker_version=version, worker_secrets=secrets)


def plan_worker(installation: Installation, state: CloudState) -> list[Command]:
    """Create the Worker's missing identity and secrets, then deploy it if anything changed.

    Secrets first: writing them creates a version of the Worker, and the latest version must be the tagged one.
    """
    variables = _variables(installation, state)
    tag = edge_tag(programs.ROOT, variables, state.versions.get(_AUTH_SECRET, ""))
    is_current = state.worker_version == tag
    commands = plan_identity(installation, state)
    if not installation.auth.jwks_url and not (is_current and "AUTH_SECRET" in state.worker_secrets):
        words = ("secrets", "versions", "access", "latest")
        commands.append(
            gcloud(*words, target="worker", project=installation.project, secret=_AUTH_SECRET, stdout="AUTH_SECRET")
        )
    has_new_secrets = any(command.stdout for command in commands)
    if has_new_secrets:
        commands.append(_wrangler(installation, "secret", "bulk", stdin="WORKER_SECRETS"))
    retired = identity.delete_keys(installation, state) if identity.uses_federation(installation, state) else []
    if has_new_secrets or not is_current:
        flags = [part for each in variables.items() for part in ("--var", ":".join(each))]
        commands.append(_wrangler(installation, "deploy", f"--domain={installation.domain}", f"--tag={tag}", *flags))
    return commands + retired


def delete_worker(installation: Installation) -> Command:
    """Return the command that deletes the Worker with its domain and secrets."""
    return _wrangler(installation, "delete", "--force")


def edge_tag(root: Path, variables: Mapping[str, str], secret_version: str) -> str:
    """Return 12 hexadecimal digits of a hash of the Worker's and the web app's sources, variables and secret."""
    digest = hashlib.sha256(json.dumps([variables, secret_version], sort_keys=True).encode())
    for path in _files(root):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:12]


def _files(root: Path) -> Iterator[Path]:
    yield from setup.web_sources()
    yield from sorted(path for path in (root / "edge" / "worker").rglob("*.ts"))


def _variables(installation: Installation, state: CloudState) -> dict[str, str]:
    variables = auth_settings(installation)
    variables |= {
        f"{function.upper()}_URL": service_url(function, installation, state.project_number) for function in FUNCTIONS
    }
    if installation.auth.sign_in_url:
        variables["SIGN_IN_URL"] = installation.auth.sign_in_url
    variables |= {name: value for name, value in installation.settings if name == "CORS_ORIGINS"}
    return variables | identity.variables(installation, state)


def _wrangler(installation: Installation, *words: str, stdin: str = "") -> Command:
    verb = words[: 2 if words[0] == "secret" else 1]
    options = (f"--config={CONFIG}", f"--name={installation.worker_name}")
    return Command(program="wrangler", arguments=(*verb, *options, *words[len(verb) :]), target="worker", stdin=stdin)


def _version(installation: Installation) -> str:
    """Read the tag of the version that has all traffic, '' if there is none."""
    status = _read(installation, "deployments", "status", "--json") or {}
    serving = {each["version_id"] for each in status.get("versions", []) if each.get("percentage") == 100}
    versions: list[Json] = _read(installation, "versions", "list", "--json") if serving else []
    tags = [each.get("annotations", {}).get("workers/tag", "") for each in versions if each["id"] in serving]
    return str(tags[0]) if tags else ""


def _secrets(installation: Installation) -> frozenset[str]:
    return frozenset(each["name"] for each in _read(installation, "secret", "list", "--format=json") or [])


def _read(installation: Installation, *words: str) -> Any:
    """Run wrangler and parse its output. Returns None if the Worker doesn't exist; raises DeploymentError."""
    arguments = (*words, f"--config={CONFIG}", f"--name={installation.worker_name}")
    done = subprocess.run(
        programs.argv("wrangler", arguments),
        env=programs.environment("wrangler"),
        cwd=programs.ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        output = f"{done.stdout}\n{done.stderr}".strip()
        if any(text in output for text in _MISSING):
            return None
        raise DeploymentError.from_output(output)
    return json.loads(done.stdout)
