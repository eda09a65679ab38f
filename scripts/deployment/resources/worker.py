"""The Cloudflare Worker and its custom domain; Cloudflare creates the DNS record and certificate. Plans are pure.

A version of the Worker has its release as its tag, and hashes of what it was made of in its message.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from scripts import setup
from scripts.deployment.cloud import cloudflare, programs
from scripts.deployment.cloud.cloudflare import CONFIG
from scripts.deployment.cloud.read_cloud import GoogleCloud, Json, read_concurrently
from scripts.deployment.plan.cloud_state import CloudState, WorkerVersion
from scripts.deployment.plan.commands import Command, gcloud
from scripts.deployment.plan.installation import FUNCTIONS, Installation
from scripts.deployment.plan.settings import auth_settings, service_url
from scripts.deployment.resources import identity
from scripts.deployment.resources.identity import plan_identity, read_identity

_AUTH_SECRET = "headwater-auth-secret"
_UPLOADED = "WORKER_VERSION"
"""Stands for the ID of the version that was uploaded last."""

_SHARED = ("web", "domain")
"""What two versions must have in common to share the traffic."""


def read_worker(google: GoogleCloud, installation: Installation, state: CloudState) -> CloudState:
    """Read the Worker's versions and secrets from Cloudflare, and its identity from Google."""
    identity_state, versions, secrets = read_concurrently(
        [
            partial(read_identity, google, installation, state),
            partial(read_versions, installation),
            partial(cloudflare.read_secret_names, installation.worker_name),
        ]
    )
    with_identity: CloudState = identity_state
    return replace(with_identity, worker_versions=versions, worker_secrets=frozenset(secrets))


def plan_worker(installation: Installation, state: CloudState) -> list[Command]:
    """Create the Worker's missing identity and secrets, then deploy it if anything changed.

    New secrets are uploaded with the version that needs them, so that earlier versions keep theirs.
    """
    desired = parts(installation, state)
    current = next((each for each in state.worker_versions if each.percent == 100), None)
    is_current = current is not None and (current.release, current.parts) == (installation.tag, desired)
    commands = plan_identity(installation, state)
    if not installation.auth.jwks_url and not (is_current and "AUTH_SECRET" in state.worker_secrets):
        words = ("secrets", "versions", "access", "latest")
        commands.append(
            gcloud(*words, target="worker", project=installation.project, secret=_AUTH_SECRET, stdout="AUTH_SECRET")
        )
    if any(command.stdout for command in commands) or not is_current:
        commands += _deploy(installation, state, desired, has_secrets=any(command.stdout for command in commands))
    retired = identity.delete_keys(installation, state) if identity.uses_federation(installation, state) else []
    return commands + retired


def _deploy(
    installation: Installation, state: CloudState, desired: Mapping[str, str], *, has_secrets: bool
) -> list[Command]:
    """Deploy at once, or with `[canary]` to a part of the traffic first.

    A canary needs an earlier version with the same web app at the same domain: a browser that got a page of one version
    may ask the other one for its scripts, and domains can't be attached to a part of the traffic.
    """
    variables = [part for each in _variables(installation, state).items() for part in ("--var", ":".join(each))]
    message = "--message=" + " ".join(f"{name}={value}" for name, value in desired.items())
    options = (
        f"--tag={installation.tag}",
        message,
        *(["--secrets-file=/dev/stdin"] if has_secrets else []),
        *variables,
    )
    stdin = "WORKER_SECRETS" if has_secrets else ""
    old = max(
        (each for each in state.worker_versions if each.percent and each.parts != desired),
        key=lambda each: each.percent,
        default=None,
    )
    if not installation.canary.percent or old is None or any(old.parts.get(each) != desired[each] for each in _SHARED):
        domain = f"--domain={installation.domain}"
        return [_wrangler(installation, "deploy", domain, *options, stdin=stdin)]
    upload = _wrangler(installation, "versions upload", *options, stdin=stdin)
    return [replace(upload, stdout="WORKER_UPLOAD"), *_canary(installation, old)]


def _canary(installation: Installation, old: WorkerVersion) -> list[Command]:
    """Send a part of the traffic to the uploaded version and watch it, then send all of it there, or back."""
    percent, minutes = installation.canary.percent, installation.canary.minutes
    split = (f"{_UPLOADED}@{percent}%", f"{old.id}@{100 - percent}%")
    target = (f"--url=https://{installation.domain}", f"--worker={installation.worker_name}", f"--version={_UPLOADED}")
    watch = Command(
        program="python3",
        arguments=("-m", "scripts.deployment.canary", *target, f"--minutes={minutes}"),
        target="worker",
        minutes=str(minutes),
        undo=(send_traffic(installation, f"{old.id}@100%"),),
    )
    commands = [send_traffic(installation, *split), watch, send_traffic(installation, f"{_UPLOADED}@100%")]
    return [replace(each, placeholder=_UPLOADED) for each in commands]


def send_traffic(installation: Installation, *shares: str) -> Command:
    """Return the command that distributes the traffic to versions of the Worker: `ID@10%`."""
    return _wrangler(installation, "versions deploy", *shares, "--yes")


def delete_worker(installation: Installation) -> Command:
    """Return the command that deletes the Worker with its domain and secrets."""
    return _wrangler(installation, "delete", "--force")


def parts(installation: Installation, state: CloudState) -> dict[str, str]:
    """Return hashes of what the Worker is made of (its code, the web app, variables and secret), and its domain."""
    settings = [_variables(installation, state), state.versions.get(_AUTH_SECRET, "")]
    return {
        **source_parts(programs.ROOT),
        "settings": hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12],
        "domain": installation.domain,
    }


def source_parts(root: Path) -> dict[str, str]:
    """Return 12 hexadecimal digits of a hash of the Worker's sources, and of the web app's."""
    code = (*sorted((root / "edge" / "worker").rglob("*.ts")), root / CONFIG, root / "edge" / "package-lock.json")
    return {"worker": _hash(root, code), "web": _hash(root, setup.web_sources())}


def _hash(root: Path, paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:12]


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
    verb, *rest = words
    options = (f"--config={CONFIG}", f"--name={installation.worker_name}")
    return Command(program="wrangler", arguments=(*verb.split(), *options, *rest), target="worker", stdin=stdin)


def read_versions(installation: Installation) -> tuple[WorkerVersion, ...]:
    """Read the ten newest versions of the Worker and those with traffic, the newest first; () if there is no Worker."""
    status = cloudflare.read_deployment(installation.worker_name) or {}
    percents = {each["version_id"]: each["percentage"] for each in status.get("versions", [])}
    versions = cloudflare.read_versions(installation.worker_name) if percents else []
    newest_first = sorted(versions, key=lambda each: str(each["metadata"]["created_on"]), reverse=True)
    known = [_worker_version(each, percents.get(each["id"], 0)) for each in newest_first]
    older = set(percents) - {each.id for each in known}
    return (*known, *(WorkerVersion(id=each, release="", percent=percents[each], parts={}) for each in sorted(older)))


def worker_exists(installation: Installation) -> bool:
    """Return whether there is a Worker."""
    return cloudflare.read_deployment(installation.worker_name) is not None


def _worker_version(version: Json, percent: float) -> WorkerVersion:
    annotations = version.get("annotations", {})
    words = str(annotations.get("workers/message", "")).split()
    return WorkerVersion(
        id=version["id"],
        release=str(annotations.get("workers/tag", "")),
        percent=percent,
        parts=dict(word.split("=", 1) for word in words if "=" in word),
    )
