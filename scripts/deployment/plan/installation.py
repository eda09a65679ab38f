"""The installation that is wanted: frozen structs and the names that follow from them. Pure; `config` builds it."""

from dataclasses import dataclass, field

FUNCTIONS = ("chat", "collection", "embedding")
DATABASES = ("supabase", "cloudsql", "postgres")

PIPELINE = "pipeline"
"""The account that a pipeline deploys as."""

MAX_CONNECTIONS = 200
"""`max_connections` of the Cloud SQL instance; three of them are for superusers."""

# What the server takes: Supavisor for the smallest compute size, Postgres by default, Cloud SQL as we set it.
_CONNECTIONS = {"supabase": 200, "postgres": 97, "cloudsql": MAX_CONNECTIONS - 3}


@dataclass(frozen=True, kw_only=True)
class Auth:
    """Whose tokens are taken. Without an issuer the installation is its own, with a secret that is made for it."""

    issuer: str = ""
    audience: str = ""
    jwks_url: str = ""
    sign_in_url: str = ""
    sign_up: str = "invited"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How far everything may grow; `connections` is what the database takes, 0 for what its kind usually does."""

    chat_instances: int = 3
    collection_instances: int = 3
    embedding_instances: int = 3
    job_workers: int = 4
    pool_size: int = 4
    tickets: int = 4
    connections: int = 0
    budget: str = ""


@dataclass(frozen=True, kw_only=True)
class CloudSql:
    """The instance of `database = "cloudsql"`."""

    tier: str = "db-custom-1-3840"
    version: str = "POSTGRES_17"


@dataclass(frozen=True, kw_only=True)
class Installation:
    """Everything that is wanted of one installation, in one project of its own."""

    project: str
    region: str
    domain: str
    database: str
    environment: str = ""
    owner: str = ""
    tag: str = "TAG"
    worker_identity: str = "auto"
    pipeline: bool = False
    auth: Auth = field(default_factory=Auth)
    limits: Limits = field(default_factory=Limits)
    cloudsql: CloudSql = field(default_factory=CloudSql)
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def worker(self) -> str:
        """The Worker's name; those of other environments than production share a Cloudflare account with it."""
        return "headwater" if self.environment in ("", "production") else f"headwater-{self.environment}"

    @property
    def bucket(self) -> str:
        """The bucket's name, which nobody else on Google Cloud may have."""
        return f"{self.project}-headwater"

    @property
    def connections(self) -> int:
        """How many connections the database takes."""
        return self.limits.connections or _CONNECTIONS[self.database]

    @property
    def cloudsql_instance(self) -> str:
        """The instance's connection name, '' for a database elsewhere."""
        return f"{self.project}:{self.region}:headwater" if self.database == "cloudsql" else ""

    def account(self, name: str) -> str:
        """Give the e-mail address of one of our service accounts."""
        return f"headwater-{name}@{self.project}.iam.gserviceaccount.com"

    def image(self, target: str, tag: str) -> str:
        """Give an image's reference."""
        return f"{self.region}-docker.pkg.dev/{self.project}/headwater/{target}:{tag}"

    def instances(self, function: str) -> int:
        """Give how many instances of a function there may be."""
        return int(getattr(self.limits, f"{function}_instances"))
