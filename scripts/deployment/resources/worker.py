"""The Worker on the installation's domain, whose DNS record and certificate Cloudflare makes. Plans are pure."""

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
from scripts.deployment.cloud.read_cloud import Google, Json, at_once
from scripts.deployment.plan.cloud_state import Found
from scripts.deployment.plan.commands import Command, gcloud
from scripts.deployment.plan.installation import FUNCTIONS, Installation
from scripts.deployment.plan.settings import auth, service_url
from scripts.deployment.resources import identity
from scripts.deployment.resources.identity import look_identity, plan_identity

CONFIG = "edge/wrangler.jsonc"
_AUTH_SECRET = "headwater-auth-secret"
_MISSING = ("code: 10007", "not found", "does not exist")


def look_worker(google: Google, wanted: Installation, found: Found) -> Found:
    """Read what Cloudflare has of the Worker, and what Google knows it by."""
    known, version, secrets = at_once(
        [
            partial(look_identity, google, wanted, found),
            partial(_version, wanted),
            partial(_secrets, wanted),
        ]
    )
    there: Found = known
    return replace(there, worker_version=version, worker_secrets=secrets)


def plan_worker(wanted: Installation, found: Found) -> list[Command]:
    """Give the Worker an identity and secrets that it lacks, then deploy it if anything of it has changed.

    The secrets go first: they make a version of the Worker by themselves, and the last has to be the one with the tag.
    """
    variables = _variables(wanted, found)
    tag = edge_tag(programs.ROOT, variables, found.versions.get(_AUTH_SECRET, ""))
    is_current = found.worker_version == tag
    commands = plan_identity(wanted, found)
    if not wanted.auth.jwks_url and not (is_current and "AUTH_SECRET" in found.worker_secrets):
        words = ("secrets", "versions", "access", "latest")
        commands.append(gcloud(*words, on="worker", project=wanted.project, secret=_AUTH_SECRET, keep="AUTH_SECRET"))
    is_given = any(command.keep for command in commands)
    if is_given:
        commands.append(_wrangler(wanted, "secret", "bulk", feed="WORKER_SECRETS"))
    if is_given or not is_current:
        given = [part for each in variables.items() for part in ("--var", ":".join(each))]
        commands.append(_wrangler(wanted, "deploy", f"--domain={wanted.domain}", f"--tag={tag}", *given))
    return commands


def delete_worker(wanted: Installation) -> Command:
    """Give the command that takes the Worker away, its domain and its secrets with it."""
    return _wrangler(wanted, "delete", "--force")


def edge_tag(root: Path, variables: Mapping[str, str], secret_version: str) -> str:
    """Hash what the Worker and the web app are made of, and what they are given; 12 hexadecimal digits of it."""
    digest = hashlib.sha256(json.dumps([variables, secret_version], sort_keys=True).encode())
    for path in _files(root):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:12]


def _files(root: Path) -> Iterator[Path]:
    yield from setup.web_sources()
    yield from sorted(path for path in (root / "edge" / "worker").rglob("*.ts"))


def _variables(wanted: Installation, found: Found) -> dict[str, str]:
    """Give the Worker's variables."""
    given = auth(wanted)
    given |= {f"{function.upper()}_URL": service_url(function, wanted, found.project_number) for function in FUNCTIONS}
    if wanted.auth.sign_in_url:
        given["SIGN_IN_URL"] = wanted.auth.sign_in_url
    given |= {name: value for name, value in wanted.settings if name == "CORS_ORIGINS"}
    return given | identity.variables(wanted, found)


def _wrangler(wanted: Installation, *words: str, feed: str = "") -> Command:
    verb = words[: 2 if words[0] == "secret" else 1]
    place = (f"--config={CONFIG}", f"--name={wanted.worker}")
    return Command(program="wrangler", arguments=(*verb, *place, *words[len(verb) :]), target="worker", feed=feed)


def _version(wanted: Installation) -> str:
    """Read the tag of the version that serves, '' without one."""
    status = _read(wanted, "deployments", "status", "--json") or {}
    serving = {each["version_id"] for each in status.get("versions", []) if each.get("percentage") == 100}
    versions: list[Json] = _read(wanted, "versions", "list", "--json") if serving else []
    tags = [each.get("annotations", {}).get("workers/tag", "") for each in versions if each["id"] in serving]
    return str(tags[0]) if tags else ""


def _secrets(wanted: Installation) -> frozenset[str]:
    return frozenset(each["name"] for each in _read(wanted, "secret", "list", "--format=json") or [])


def _read(wanted: Installation, *words: str) -> Any:
    """Ask Cloudflare by wrangler; None when it has no such Worker. Raises DeploymentError."""
    arguments = (*words, f"--config={CONFIG}", f"--name={wanted.worker}")
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
        said = f"{done.stdout}\n{done.stderr}".strip()
        if any(words in said for words in _MISSING):
            return None
        raise DeploymentError.told(said)
    return json.loads(done.stdout)
