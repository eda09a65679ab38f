"""The GitHub connector: issues, pull requests, discussions and releases of repositories, and READMEs of stars.

A listing reads the lists of the API (`lists`), incrementally, and stages the threads. `fetch` adds their comments.
"""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from functions.collection.connectors.github.authorization import open_api
from functions.collection.connectors.github.config import GitHubConfig
from functions.collection.connectors.github.documents import ThreadReader
from functions.collection.connectors.github.events import is_related
from functions.collection.connectors.github.lists import GitHubLists
from functions.collection.connectors.thread_walk import ThreadLister, fetch_threads
from headwater.connectors import Connector, Entry, Fetched, Listing, Secret
from headwater.errors import HeadwaterError, SystemicError, UnprocessableContent

SLICE_S = 60.0
"""Time for one step of a listing."""
CHECK_S = 8.0


class GitHubConnector(Connector[GitHubConfig]):
    """Reads GitHub and GitHub Enterprise."""

    title = "GitHub"
    help = (
        "Collects issues, pull requests, discussions and releases of GitHub repositories, or the READMEs of starred "
        "ones. For files and wikis, add a Git repository."
    )
    config_type = GitHubConfig
    identity = ("url",)
    has_dates = True
    secret = Secret(
        "Access token or App key",
        "A token with read access to issues, pull requests, discussions and contents; or the id of a GitHub App, a "
        "colon and its private key. Public repositories need none, but GitHub then answers 60 requests an hour only.",
    )

    @classmethod
    def normalise(cls, config: GitHubConfig) -> GitHubConfig:
        """Check every field and write the address in its one form."""
        return config.normalised()

    @classmethod
    def is_related(cls, config: GitHubConfig, event: bytes) -> bool:
        """Return False for an event of another repository, or of a kind that isn't collected."""
        return is_related(config, event)

    def check(self, config: GitHubConfig, secret: str | None) -> None:
        """Request what the address names; raises UnprocessableContent with the reason."""
        if config.discussions and not secret and config.target.kind != "stars":
            raise UnprocessableContent("config.discussions: GitHub shows discussions to callers with a token only.")
        target = config.target
        place = f"/repos/{target.path}" if target.name else f"/users/{target.owner}"
        try:
            answer = open_api(self.context.http(), config, secret).get(place, timeout_s=CHECK_S)
            if answer.is_missing:
                raise SystemicError(
                    f"GitHub has no {target.path}, or the token may not read it. Check the address and the token."
                )
            answer.read(dict[str, object])
        except HeadwaterError as error:
            raise UnprocessableContent(error.message) from error

    def list(self, config: GitHubConfig, secret: str | None, cursor: str | None, known: AbstractSet[str]) -> Listing:
        """List what has changed since the cursor; once a day, and without a cursor, everything."""
        lists = GitHubLists(open_api(self.context.http(), config, secret), config)
        lister = ThreadLister(self.context, lists.read)
        return lister.list(cursor, lists.first_task(), known, SLICE_S)

    def fetch(
        self,
        config: GitHubConfig,
        secret: str | None,
        snapshot: str,  # noqa: ARG002 - threads have no versions
        entries: Sequence[Entry],
    ) -> Iterator[Fetched]:
        """Yield threads with their comments: staged ones, or requested again by a later run."""
        client = open_api(self.context.http(), config, secret)
        reader = ThreadReader(client, config, self.context.max_file_bytes)
        return fetch_threads(self.context, entries, reader.read)


CONNECTOR = GitHubConnector
