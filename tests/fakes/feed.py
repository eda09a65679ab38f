"""A source in memory that is listed in increments, as a feed or a mailbox is: each listing has what is new."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from functions.collection.sources.connect import SourceOpener
from functions.collection.sources.credentials import Credentials
from headwater.config import Settings
from headwater.connectors import Entry, Fetched, Listing
from headwater.errors import PermanentError


@dataclass
class Feed:
    """Numbered posts. A cursor is the number of the newest post that was listed.

    `cursors` are those that listings got. `unreachable` keys cannot be fetched: their steps fail. Posts are Markdown,
    except those named `.png`.
    """

    posts: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    cursors: list[str | None] = field(default_factory=list)
    unreachable: set[str] = field(default_factory=set)

    def publish(self, *keys: str) -> None:
        self.posts += keys

    def check(self) -> None:
        """Be reachable."""

    def list(self, cursor: str | None, known: AbstractSet[str]) -> Listing:
        self.cursors.append(cursor)
        entries = [Entry(key, f"{key}-v1") for key in self.posts[int(cursor or 0) :]]
        newest = str(len(self.posts))
        return Listing(newest, entries, complete=False, cursor=newest, removed=[*self.removed])

    def fetch(self, snapshot: str, entries: Sequence[Entry]) -> Iterator[Fetched]:
        for entry in entries:
            if entry.key in self.unreachable:
                raise PermanentError(f"{entry.key} cannot be fetched.")
            if entry.key.endswith(".png"):
                yield Fetched(entry.key, b"\x89PNG\0", "image/png")
            else:
                yield Fetched(entry.key, f"# {entry.key}\n\nA post.\n".encode(), "text/markdown")


class FeedOpener(SourceOpener):
    """Opens the feed, whatever the source."""

    def __init__(self, settings: Settings, feed: Feed) -> None:
        super().__init__(settings)
        self.feed = feed

    def open(self, source: Credentials) -> Feed:
        return self.feed
