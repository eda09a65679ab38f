"""The desired installation as frozen structs, and the resource names derived from it. Pure; `config` builds it."""

from dataclasses import dataclass, field

FUNCTIONS = ("chat", "collection", "embedding")
SANDBOX = "sandbox"
"""The service that runs agents' code. It has no database, settings, secrets or roles."""

DATABASES = ("supabase", "cloudsql", "postgres")

RELEASE_LABEL, SCHEMA_LABEL = "release", "schema"
"""Labels of services, revisions, the job and its executions: their release, and the newest migration in it."""

PIPELINE = "pipeline"
"""The service account that a Cloud Build pipeline deploys as."""

MAX_CONNECTIONS = 200
"""`max_connections` of the Cloud SQL instance. Postgres reserves three of them for superusers."""

DATABASE_INSTANCE = DATABASE_NAME = DATABASE_OWNER = "headwater"
"""The Cloud SQL instance, its database, and the role that owns the database."""

# Connections for clients: Supavisor at the smallest compute size, Postgres by default, Cloud SQL as configured here.
_CONNECTIONS = {"supabase": 200, "postgres": 97, "cloudsql": MAX_CONNECTIONS - 3}


@dataclass(frozen=True, kw_only=True)
class Auth:
    """Which user tokens are accepted. Without an issuer, the installation issues its own, signed with a new secret."""

    issuer: str = ""
    audience: str = ""
    jwks_url: str = ""
    sign_in_url: str = ""
    sign_up: str = "invited"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Upper bounds for scaling and cost.

    `connections`: what the database accepts, 0 for the default of its kind. `sandbox_instances`: 0 for no sandbox.
    """

    chat_instances: int = 3
    collection_instances: int = 3
    embedding_instances: int = 3
    sandbox_instances: int = 2
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
class Canary:
    """The share of the traffic that a new release gets first, in percent (0: none), and for how long it is watched."""

    percent: int = 0
    minutes: int = 10


@dataclass(frozen=True, kw_only=True)
class Installation:
    """One installation of Headwater, in a Google Cloud project of its own."""

    project: str
    region: str
    domain: str
    database: str
    environment: str = ""
    owner: str = ""
    tag: str = "TAG"
    """The release: the tag of its images, and the label of all that runs them."""

    schema: str = "0000"
    """The newest migration that the release contains."""

    promote_from: str = ""
    """The environment whose release is deployed, instead of one that is built from the checkout."""

    promoted: tuple[tuple[str, str], ...] = ()
    """In a promotion, each target's image in the repository of the other environment, by digest."""

    can_read_promoted: bool = False
    """Whether the build account may read that repository."""

    worker_identity: str = "auto"
    build_pool: str = ""
    """A private worker pool of Cloud Build: `projects/PROJECT/locations/REGION/workerPools/NAME`."""

    pipeline: bool = False
    github: str = ""
    """The GitHub repository, `owner/name`, whose workflows may deploy as the pipeline's account."""

    auth: Auth = field(default_factory=Auth)
    limits: Limits = field(default_factory=Limits)
    cloudsql: CloudSql = field(default_factory=CloudSql)
    canary: Canary = field(default_factory=Canary)
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def role(self) -> str:
        """The database role of the functions."""
        return dict(self.settings).get("DATABASE_ROLE", "app")

    @property
    def worker_name(self) -> str:
        """The Worker's name. Environments may share a Cloudflare account, so all but production add a suffix."""
        return "headwater" if self.environment in ("", "production") else f"headwater-{self.environment}"

    @property
    def bucket(self) -> str:
        """The bucket's name. Bucket names are unique across Google Cloud."""
        return f"{self.project}-headwater"

    @property
    def connections(self) -> int:
        """Number of connections that the database accepts."""
        return self.limits.connections or _CONNECTIONS[self.database]

    @property
    def cloudsql_instance(self) -> str:
        """The connection name of the Cloud SQL instance, '' for other databases."""
        return f"{self.project}:{self.region}:{DATABASE_INSTANCE}" if self.database == "cloudsql" else ""

    @property
    def uses_vertex_ai(self) -> bool:
        """Whether Vertex AI embeds texts or answers questions."""
        return self.embeds_with_vertex_ai or "vertexai:" in ",".join(
            dict(self.settings).get(name, "") for name in ("CHAT_MODELS", "CHAT_MODEL")
        )

    @property
    def embeds_with_vertex_ai(self) -> bool:
        """Whether Vertex AI embeds texts."""
        return dict(self.settings).get("EMBEDDING_MODEL", "").startswith("vertexai:")

    @property
    def traces_to_google(self) -> bool:
        """Whether traces are sent to Google with the functions' own credentials."""
        return dict(self.settings).get("TRACES_GOOGLE_CREDENTIALS") == "true"

    def account(self, name: str) -> str:
        """Return the e-mail address of one of the installation's service accounts."""
        return f"headwater-{name}@{self.project}.iam.gserviceaccount.com"

    def image(self, target: str, tag: str) -> str:
        """Return an image's reference."""
        return f"{self.region}-docker.pkg.dev/{self.project}/headwater/{target}:{tag}"

    @property
    def services(self) -> tuple[str, ...]:
        """The functions, and the sandbox unless it may have no instances."""
        return (*FUNCTIONS, *([SANDBOX] if self.limits.sandbox_instances else []))

    def instances(self, function: str) -> int:
        """Return the maximum number of instances of a function or of the sandbox."""
        return int(getattr(self.limits, f"{function}_instances"))
