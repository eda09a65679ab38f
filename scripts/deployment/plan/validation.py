"""What can't work in an installation, alone or together: it flows in, a line for each mistake flows out. Pure."""

import re
from dataclasses import fields

from scripts.deployment.plan.installation import DATABASES, FUNCTIONS, Auth, Installation, Limits

_PROJECT = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")
_REGION = re.compile(r"[a-z]+-[a-z]+[0-9]+")
_DOMAIN = re.compile(r"(?!-)([a-z0-9-]{1,63}\.)+[a-z]{2,63}")
_BUDGET = re.compile(r"[1-9][0-9]*(\.[0-9]{1,2})?([A-Z]{3})?")
_ENVIRONMENT = re.compile(r"[a-z][a-z0-9-]{0,30}")


def mistakes(wanted: Installation) -> list[str]:
    """Find values that can't work, alone or together."""
    wrong = []
    for name, pattern, example in (
        ("project", _PROJECT, "a project's id, such as acme-headwater"),
        ("region", _REGION, "a region of Cloud Run, such as europe-west1"),
        ("domain", _DOMAIN, "a host's name in a zone of your Cloudflare account, such as ask.example.com"),
    ):
        if not pattern.fullmatch(getattr(wanted, name)):
            wrong.append(f"{name}: {getattr(wanted, name)!r} is not {example}")
    if wanted.environment and not _ENVIRONMENT.fullmatch(wanted.environment):
        wrong.append(f"[{wanted.environment}]: an environment's name is of lower-case letters, digits and -")
    if wanted.database not in DATABASES:
        wrong.append(f"database: {wanted.database!r} is not one of {', '.join(DATABASES)}")
    if wanted.worker_identity not in ("auto", "key", "federation"):
        wrong.append(f"worker_identity: {wanted.worker_identity!r} is not one of auto, key, federation")
    if wanted.owner and not re.fullmatch(r"[^@\s,=]+@[^@\s,=]+", wanted.owner):
        wrong.append(f"owner: {wanted.owner!r} is not an e-mail address")
    if wanted.limits.budget and not _BUDGET.fullmatch(wanted.limits.budget):
        wrong.append(f"limits.budget: {wanted.limits.budget!r} is not an amount a month, such as 50EUR")
    return wrong + _auth_mistakes(wanted.auth) + ([] if wrong else _limit_mistakes(wanted))


def _auth_mistakes(auth: Auth) -> list[str]:
    wrong = []
    if auth.issuer and not auth.audience:
        wrong.append("auth.audience: missing; without it tokens made for others would be taken")
    if not auth.issuer and (auth.audience or auth.jwks_url):
        wrong.append("auth.issuer: missing; it is what tokens say as `iss`")
    if auth.sign_up not in ("open", "invited"):
        wrong.append(f"auth.sign_up: {auth.sign_up!r} is not one of open, invited")
    return wrong


def _limit_mistakes(wanted: Installation) -> list[str]:
    """Find limits under which the database would be asked for more connections than it takes."""
    limits = wanted.limits
    wrong = [
        f"limits.{spec.name}: expected at least 1"
        for spec in fields(Limits)
        if spec.name not in ("budget", "connections") and getattr(limits, spec.name) < 1
    ]
    needed = connections_needed(limits)
    if not wrong and needed > wanted.connections:
        wrong.append(
            f"limits: at their most, instances and job workers open {needed} connections, and the database takes "
            f"{wanted.connections} (limits.connections); lower *_instances, job_workers or pool_size (docs/deploy.md)"
        )
    for function in ("collection", "embedding"):
        if not wrong and limits.tickets > wanted.instances(function) * limits.pool_size:
            wrong.append(
                f"limits.tickets: more than {function}_instances × pool_size, so some would wait for a connection"
            )
    return wrong


def connections_needed(limits: Limits) -> int:
    """Give the connections that are open when everything runs at its limit.

    An instance keeps `pool_size` and opens two more at peaks; while a revision replaces another, instances of both run.
    A job worker keeps two and opens two more; migrations take one. With the defaults (3, 3 and 3 instances, pools of 4,
    4 job workers):

        2 × (3 + 3 + 3) × (4 + 2) + 4 × (2 + 2) + 1 = 125
    """
    instances = sum(int(getattr(limits, f"{function}_instances")) for function in FUNCTIONS)
    return 2 * instances * (limits.pool_size + 2) + limits.job_workers * (2 + 2) + 1
