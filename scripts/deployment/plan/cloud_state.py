"""The current state of a deployment on Google Cloud and Cloudflare: `CloudState`.

Each stage fills in the part that its plan compares with the installation. `CloudState()` is an empty project.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scripts.deployment.plan.access import Binding

Json = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class WorkerVersion:
    """A version of the Worker. `percent`: its share of the traffic. `parts`: what it was made of (`worker.parts`)."""

    id: str
    release: str
    percent: float
    parts: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class CloudState:
    """A project's resources as the APIs return them. Mappings are keyed by the resource's short name."""

    project_number: str = "PROJECT_NUMBER"
    billing_account: str = "BILLING_ACCOUNT"
    apis: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    access: frozenset[Binding] = frozenset()
    repository: Json | None = None
    images: Mapping[str, str] = field(default_factory=dict)
    """The digest reference (`REPOSITORY/chat@sha256:…`) of each tag reference (`REPOSITORY/chat:TAG`)."""

    digests: frozenset[str] = frozenset()
    """The digest references of all images in the repository, including those whose tag names a newer image."""

    bucket: Json | None = None
    sql_instance: Json | None = None
    sql_databases: frozenset[str] = frozenset()
    sql_users: frozenset[str] = frozenset()
    secrets: Mapping[str, Json] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    """The newest version of each secret that has one."""

    job: Json | None = None
    executions: tuple[Json, ...] = ()
    services: Mapping[str, Json] = field(default_factory=dict)
    revisions: tuple[Json, ...] = ()
    queues: Mapping[str, Json] = field(default_factory=dict)
    schedule: Json | None = None
    channels: tuple[Json, ...] | None = None
    """Notification channels; None if they have not been read, as in a plan from nothing."""

    policies: tuple[Json, ...] = ()
    budgets: tuple[Json, ...] = ()
    dashboards: tuple[Json, ...] = ()
    worker_keys: tuple[str, ...] = ()
    """IDs of the keys of the Worker's service account."""

    pool: Json | None = None
    provider: Json | None = None
    """The workload identity pool and the Worker's OIDC provider."""

    github: Json | None = None
    """The pool's OIDC provider of GitHub's workflows."""

    has_worker: bool = False
    """Whether there is a Worker, for its removal."""

    worker_versions: tuple[WorkerVersion, ...] = ()
    """The ten newest versions of the Worker and those with traffic, the newest first."""

    worker_secrets: frozenset[str] = frozenset()
