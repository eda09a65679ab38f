"""Environment variables, memory, threads and time-outs of the functions and the job. Pure."""

from collections.abc import Mapping

from headwater.config import Settings
from scripts.deployment.plan.installation import SANDBOX, Installation

THREADS = {"chat": 8, "collection": 8, "embedding": 16}
"""Short requests that an instance handles concurrently. In `embedding` they take turns with each batch of texts."""

STREAMS = 64
"""Answers that an instance of `chat` streams concurrently."""

CPUS = {"chat": 1, "collection": 1, "embedding": 2, "job": 2, SANDBOX: 2}
"""vCPUs of each container."""

MEMORY_GIB = {"chat": 1, "collection": 2, "embedding": 2, "job": 4, SANDBOX: 2}
"""Memory of each container, in GiB. Files in /tmp count towards it."""

_FUNCTION_BYTES = 384 * 1024**2
"""Memory of a function's own process, with requests that are being read and batches that are being stored."""

PARSER_BYTES = 96 * 1024**2
"""Memory of a process that parses files, without a file."""

TIMEOUTS_S = {"chat": 600, "collection": 600, "embedding": 600, SANDBOX: 360}
"""Request time-outs. A drain request takes WORKER_BUDGET_S plus one step; DISPATCH_DEADLINE_S equals the time-out."""

OWN_AUDIENCE = "headwater"
"""The `aud` claim of tokens that the installation issues itself."""

_MIN_PACK_BYTES = 16 * 1024**2

_CHAT_ONLY = ("CHAT_", "OPENAI_BASE_URL", "ANTHROPIC_", "MAX_QUESTION_", "WEB_")


def long_requests(function: str, installation: Installation) -> int:
    """Return how many long requests an instance handles concurrently: answers; or tickets, a watchdog and the tick."""
    return STREAMS if function == "chat" else installation.limits.tickets + 2


def concurrency(function: str, installation: Installation) -> int:
    """Return a service's `--concurrency`: short and long requests have threads of their own. The sandbox takes one."""
    if function == SANDBOX:
        return 1
    return THREADS[function] + long_requests(function, installation)


def service_url(function: str, installation: Installation, project_number: str) -> str:
    """Return a function's deterministic URL, which is known before the service exists."""
    return f"https://headwater-{function}-{project_number}.{installation.region}.run.app"


def auth_settings(installation: Installation) -> dict[str, str]:
    """Return the settings for token checks, the same for the functions and the Worker."""
    auth = installation.auth
    settings = {
        "AUTH_MODE": "jwt",
        "AUTH_ISSUER": auth.issuer or f"https://{installation.domain}",
        "AUTH_AUDIENCE": auth.audience or OWN_AUDIENCE,
        "AUTH_JWKS_URL": auth.jwks_url,
    }
    return {name: value for name, value in settings.items() if value}


def variables(reader: str, installation: Installation, project_number: str) -> Mapping[str, str]:
    """Return the environment variables of a function or of the `job`. The sandbox has none."""
    if reader == SANDBOX:
        return {}
    common = {**auth_settings(installation), "SIGN_UP": installation.auth.sign_up}
    common |= {
        name: value for name, value in installation.settings if reader == "chat" or not name.startswith(_CHAT_ONLY)
    }
    if installation.uses_vertex_ai:
        common.setdefault("VERTEXAI_PROJECT", installation.project)
    if reader != "job":
        common |= {"DATABASE_POOL_SIZE": str(installation.limits.pool_size), "THREADS": str(THREADS[reader])}
        common |= {"LONG_REQUESTS": str(long_requests(reader, installation))}
    queues = {
        "CHAT_URL": service_url("chat", installation, project_number),
        "COLLECTION_URL": service_url("collection", installation, project_number),
        "EMBEDDING_URL": service_url("embedding", installation, project_number),
        "INVOKER_SERVICE_ACCOUNT": installation.account("invoker"),
        "MAX_TICKETS": str(installation.limits.tickets),
        "DISPATCH_DEADLINE_S": str(TIMEOUTS_S["collection"]),
    }
    common |= {"GOOGLE_CLOUD_PROJECT": installation.project, "CLOUD_REGION": installation.region, **queues}
    if reader == "embedding":
        return common
    blobs = {"BLOB_URL": f"gs://{installation.bucket}"}
    if reader == "chat":
        has_sandbox = SANDBOX in installation.services
        sandbox = {"SANDBOX_URL": service_url(SANDBOX, installation, project_number)} if has_sandbox else {}
        return {"APP_URL": f"https://{installation.domain}"} | common | blobs | sandbox
    job = {"JOB_NAME": "headwater", "MAX_JOB_WORKERS": str(installation.limits.job_workers)}
    default = {"MAX_REPO_BYTES": str(_max_repo_bytes(reader, installation))}
    return default | common | job | blobs


def _max_repo_bytes(reader: str, installation: Installation) -> int:
    """Return the limit for a Git pack, which is stored in /tmp: the memory that is left, by the number of steps.

    At most half of the memory is for packs. A job worker runs one step at a time. All tickets may reach one instance.
    """
    chosen = dict(installation.settings)
    parser_bytes = PARSER_BYTES + int(chosen.get("PARSE_MEMORY_BYTES", Settings.parse_memory_bytes))
    processes = 1 if reader == "job" else int(chosen.get("PARSE_PROCESSES", Settings.parse_processes))
    concurrent_steps = 1 if reader == "job" else installation.limits.tickets
    memory = MEMORY_GIB[reader] * 1024**3
    left = memory - _FUNCTION_BYTES - processes * parser_bytes
    return max(min(left, memory // 2) // concurrent_steps, _MIN_PACK_BYTES)
