"""Validate an installation: one message for each value, or combination of values, that can't work. Pure."""

import re
from dataclasses import fields

from scripts.deployment.plan.installation import DATABASES, FUNCTIONS, Auth, Canary, Installation, Limits

_FORMS = (
    ("project", re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]"), "a project ID, such as acme-headwater"),
    ("region", re.compile(r"[a-z]+-[a-z]+[0-9]+"), "a Cloud Run region, such as europe-west1"),
    (
        "domain",
        re.compile(r"(?!-)([a-z0-9-]{1,63}\.)+[a-z]{2,63}"),
        "a hostname in a zone of your Cloudflare account, such as ask.example.com",
    ),
    ("owner", re.compile(r"[^@\s,=]+@[^@\s,=]+"), "an e-mail address"),
    ("github", re.compile(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+"), "a repository, such as acme/headwater"),
    (
        "build_pool",
        re.compile(r"projects/[^/]+/locations/[^/]+/workerPools/[^/]+"),
        "a private pool: projects/PROJECT/locations/REGION/workerPools/NAME",
    ),
)
_LEAST = {"sandbox_instances": 0}
_REQUIRED = ("project", "region", "domain")
_BUDGET = re.compile(r"[1-9][0-9]*(\.[0-9]{1,2})?([A-Z]{3})?")
_RELEASE = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_ENVIRONMENT = re.compile(r"[a-z][a-z0-9-]{0,30}")


def validate(installation: Installation) -> list[str]:
    """Return a message for each problem; an empty list if the installation is valid."""
    problems = [
        f"{name}: {value!r} is not {example}"
        for name, pattern, example in _FORMS
        if (value := getattr(installation, name)) or name in _REQUIRED
        if not pattern.fullmatch(value)
    ]
    if installation.environment and not _ENVIRONMENT.fullmatch(installation.environment):
        problems.append(
            f"[{installation.environment}]: the name of an environment may contain lower-case letters, digits and -"
        )
    if installation.database not in DATABASES:
        problems.append(f"database: {installation.database!r} is not one of {', '.join(DATABASES)}")
    if installation.worker_identity not in ("auto", "key", "federation"):
        problems.append(f"worker_identity: {installation.worker_identity!r} is not one of auto, key, federation")
    if installation.github and not installation.pipeline:
        problems.append("github: needs pipeline = true, which creates the account that workflows deploy as")
    if installation.limits.budget and not _BUDGET.fullmatch(installation.limits.budget):
        problems.append(f"limits.budget: {installation.limits.budget!r} is not an amount per month, such as 50EUR")
    problems += canary_problems(installation.canary)
    return problems + _validate_auth(installation.auth) + ([] if problems else _validate_limits(installation))


def canary_problems(canary: Canary) -> list[str]:
    """Return a message for each value of [canary] that can't work."""
    problems = []
    if not 0 <= canary.percent <= 99:
        problems.append(f"canary.percent: {canary.percent} is not between 0 and 99")
    if not 5 <= canary.minutes <= 24 * 60:
        problems.append(
            f"canary.minutes: {canary.minutes} is not between 5 (errors are counted up to 3 minutes late) and 1440"
        )
    return problems


def release_problem(tag: str) -> str:
    """Return why a release can't have this name, '' if it can: it is an image's tag and a label of Google Cloud."""
    if _RELEASE.fullmatch(tag):
        return ""
    return (
        f"--tag: {tag!r} can't name a release. Use up to 63 lower-case letters, digits, hyphens and underscores, such "
        "as v12 or a commit's hash"
    )


def _validate_auth(auth: Auth) -> list[str]:
    problems = []
    if auth.issuer and not auth.audience:
        problems.append("auth.audience: missing; without it, tokens issued for other applications would be accepted")
    if not auth.issuer and (auth.audience or auth.jwks_url):
        problems.append("auth.issuer: missing; it is the `iss` claim of your tokens")
    if auth.sign_up not in ("open", "invited"):
        problems.append(f"auth.sign_up: {auth.sign_up!r} is not one of open, invited")
    return problems


def _validate_limits(installation: Installation) -> list[str]:
    """Find limits that would need more connections than the database accepts."""
    limits = installation.limits
    problems = [
        f"limits.{spec.name}: expected at least {_LEAST.get(spec.name, 1)}"
        for spec in fields(Limits)
        if spec.name not in ("budget", "connections") and getattr(limits, spec.name) < _LEAST.get(spec.name, 1)
    ]
    needed = connections_needed(limits)
    if not problems and needed > installation.connections:
        problems.append(
            f"limits: at full scale, instances and job workers open {needed} connections, but the database accepts "
            f"{installation.connections} (limits.connections); "
            "lower *_instances, job_workers or pool_size (docs/deploy.md)"
        )
    for function in FUNCTIONS:
        if not problems and limits.tickets > installation.instances(function) * limits.pool_size:
            problems.append(
                f"limits.tickets: more than {function}_instances × pool_size, so tickets would wait for a connection"
            )
    return problems


def connections_needed(limits: Limits) -> int:
    """Return the number of database connections at full scale.

    An instance pools `pool_size` connections and opens two more at peaks; instances of two revisions run during a
    rollout. A job worker pools two and opens two more; migrations use one. With the defaults (3, 3 and 3 instances,
    pools of 4, 4 job workers):

        2 × (3 + 3 + 3) × (4 + 2) + 4 × (2 + 2) + 1 = 125
    """
    instances = sum(int(getattr(limits, f"{function}_instances")) for function in FUNCTIONS)
    return 2 * instances * (limits.pool_size + 2) + limits.job_workers * (2 + 2) + 1
