"""The GitLab connector: issues, merge requests, releases and wikis of projects.

A listing reads the lists of the API (`lists`), incrementally, and stages the threads. `fetch` adds their comments.
"""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from functions.collection.connectors.api_client import ApiClient, ApiService, advise
from functions.collection.connectors.gitlab.config import GitLabConfig
from functions.collection.connectors.gitlab.documents import ThreadReader
from functions.collection.connectors.gitlab.events import is_related
from functions.collection.connectors.gitlab.lists import GitLabLists
from functions.collection.connectors.thread_walk import Task, ThreadLister, fetch_threads
from headwater.connectors import Connector, Entry, Fetched, Listing, Secret
from headwater.errors import HeadwaterError, UnprocessableContent

SLICE_S = 60.0
"""Time for one step of a listing."""
CHECK_S = 3.0
DELAY_S = 0.1
"""Between two requests."""
LIMIT_PAUSE_S = 60.0
"""Pause after a refusal for too many requests that names no time."""


class GitLabConnector(Connector[GitLabConfig]):
    """Reads GitLab, on any server."""

    title = "GitLab"
    help = (
        "Collects issues, merge requests, releases and wikis of GitLab projects, on any server. For files, add a Git "
        "repository."
    )
    config_type = GitLabConfig
    identity = ("url",)
    has_dates = True
    secret = Secret(
        "Access token",
        "A personal, project or group access token with the scope read_api. Public projects need none.",
    )

    @classmethod
    def normalise(cls, config: GitLabConfig) -> GitLabConfig:
        """Check every field and write the address in its one form."""
        return config.normalised()

    @classmethod
    def is_related(cls, config: GitLabConfig, event: bytes) -> bool:
        """Return False for an event of another project, or of a kind that isn't collected."""
        return is_related(config, event)

    def check(self, config: GitLabConfig, secret: str | None) -> None:
        """Request what the address names; raises UnprocessableContent with the reason."""
        try:
            GitLabLists(self._client(config, secret), config).find(timeout_s=CHECK_S)
        except HeadwaterError as error:
            raise UnprocessableContent(error.message) from error

    def list(self, config: GitLabConfig, secret: str | None, cursor: str | None, known: AbstractSet[str]) -> Listing:
        """List what has changed since the cursor; once a day, and without a cursor, everything."""
        lists = GitLabLists(self._client(config, secret), config)
        lister = ThreadLister(self.context, lists.read)
        return lister.list(cursor, Task("repositories"), known, SLICE_S)

    def fetch(
        self,
        config: GitLabConfig,
        secret: str | None,
        snapshot: str,  # noqa: ARG002 - threads have no versions
        entries: Sequence[Entry],
    ) -> Iterator[Fetched]:
        """Yield threads with their comments: staged ones, or requested again by a later run."""
        reader = ThreadReader(self._client(config, secret), config, self.context.max_file_bytes)
        return fetch_threads(self.context, entries, reader.read)

    def _client(self, config: GitLabConfig, secret: str | None) -> ApiClient:
        token = (secret or "").strip()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        service = ApiService("GitLab", DELAY_S, advise, limit_pause_s=LIMIT_PAUSE_S)
        return ApiClient(self.context.http(), config.api, service, headers)


CONNECTOR = GitLabConnector
