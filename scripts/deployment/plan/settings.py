"""Which variables each function and the job run with: an installation flows in, settings flow out. Pure."""

from collections.abc import Mapping

from scripts.deployment.plan.installation import Installation

THREADS = {"chat": 8, "collection": 8, "embedding": 4}
"""Requests that an instance takes at once: `--concurrency`, and the threads that serve them."""

MEMORY_GIB = {"chat": 1, "collection": 2, "embedding": 2, "job": 4}
"""Memory of each container; what it writes to /tmp counts against it."""

TIMEOUTS_S = {"chat": 300, "collection": 600, "embedding": 600}
"""A ticket's drain takes WORKER_BUDGET_S and a step; its deadline (DISPATCH_DEADLINE_S) is the request's own."""

OWN_AUDIENCE = "headwater"
"""`aud` of tokens where the installation is its own issuer."""

_CHAT_ONLY = ("CHAT_", "OPENAI_BASE_URL", "ANTHROPIC_", "MAX_QUESTION_")


def service_url(function: str, wanted: Installation, project_number: str) -> str:
    """Give a function's URL, which is known before there is a service."""
    return f"https://headwater-{function}-{project_number}.{wanted.region}.run.app"


def auth(wanted: Installation) -> dict[str, str]:
    """Give what tokens must be; the functions and the Worker check the same."""
    given = wanted.auth
    settings = {
        "AUTH_MODE": "jwt",
        "AUTH_ISSUER": given.issuer or f"https://{wanted.domain}",
        "AUTH_AUDIENCE": given.audience or OWN_AUDIENCE,
        "AUTH_JWKS_URL": given.jwks_url,
    }
    return {name: value for name, value in settings.items() if value}


def variables(reader: str, wanted: Installation, project_number: str) -> Mapping[str, str]:
    """Give the variables of a function, or of the `job`."""
    common = {**auth(wanted), "SIGN_UP": wanted.auth.sign_up}
    common |= {name: value for name, value in wanted.settings if reader == "chat" or not name.startswith(_CHAT_ONLY)}
    if reader != "job":
        common |= {"DATABASE_POOL_SIZE": str(wanted.limits.pool_size), "THREADS": str(THREADS[reader])}
    if reader == "chat":
        return common
    queues = {
        "COLLECTION_URL": service_url("collection", wanted, project_number),
        "EMBEDDING_URL": service_url("embedding", wanted, project_number),
        "INVOKER_SERVICE_ACCOUNT": wanted.account("invoker"),
        "MAX_TICKETS": str(wanted.limits.tickets),
        "DISPATCH_DEADLINE_S": str(TIMEOUTS_S["collection"]),
    }
    common |= {"GOOGLE_CLOUD_PROJECT": wanted.project, "CLOUD_REGION": wanted.region, **queues}
    if reader == "embedding":
        return common
    job = {"JOB_NAME": "headwater", "MAX_JOB_WORKERS": str(wanted.limits.job_workers)}
    default = {"MAX_REPO_BYTES": str(_max_repo_bytes(reader, wanted))}
    return default | common | job | {"BLOB_URL": f"gs://{wanted.bucket}"}


def _max_repo_bytes(reader: str, wanted: Installation) -> int:
    """Give how large a pack may be, which lies in /tmp: half of the memory, shared by all steps that may run at once.

    A job worker runs one; all tickets may come to one instance.
    """
    at_once = 1 if reader == "job" else min(wanted.limits.tickets, THREADS[reader])
    return MEMORY_GIB[reader] * 1024**3 // (2 * at_once)
