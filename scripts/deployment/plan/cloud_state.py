"""What is there: `Found`, filled in by each stage's look before its plan; `Found()` is an empty project."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scripts.deployment.resources.access import Binding

Json = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Found:
    """The resources of a project as their APIs tell them, by their short names where there may be several."""

    project_number: str = "PROJECT_NUMBER"
    billing_account: str = "BILLING_ACCOUNT"
    apis: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    access: frozenset[Binding] = frozenset()
    repository: Json | None = None
    images: frozenset[str] = frozenset()
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
    queues: Mapping[str, Json] = field(default_factory=dict)
    schedule: Json | None = None
    channels: tuple[Json, ...] | None = None
    """Where alarms can be sent to; None before anybody has looked, when there may be one to the owner by then."""

    policies: tuple[Json, ...] = ()
    budgets: tuple[Json, ...] = ()
    forbids_keys: bool = False
    worker_keys: tuple[str, ...] = ()
    """The ids of the keys that the Worker's account has."""

    pool: Json | None = None
    provider: Json | None = None
    worker_version: str = ""
    worker_secrets: frozenset[str] = frozenset()
