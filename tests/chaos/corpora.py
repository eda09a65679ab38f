"""What schedules collect: a Git repository with many pages, or a source of each of five other kinds.

A corpus has revisions. Sources that are `pulled` are collected by request; uploads and webhooks start runs themselves.
"""

import base64
import hashlib
import hmac
import time
import urllib.error
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from tests.chaos.plans import REVISIONS, Corpus, Engine
from tests.chaos.revisions import Revisions
from tests.chaos.source_servers import SourceServers

if TYPE_CHECKING:
    from tests.chaos.world import World

_LAST = 2
_SIGNED = "application/octet-stream"


class CollectedCorpus(Protocol):
    """The sources of a schedule."""

    def revisions(self, engine: Engine) -> Sequence[int]:
        """Return the revisions to collect, one after the other."""

    def begin(self) -> Sequence[str]:
        """Create the sources. Returns the ids of those that are pulled."""

    def show(self, revision: int) -> None:
        """Change the sources' content, whatever fails meanwhile."""


class GitCorpus:
    """One Git repository."""

    def __init__(self, world: "World", revisions: Revisions) -> None:
        self._world = world
        self._revisions = revisions

    def revisions(self, engine: Engine) -> Sequence[int]:
        return REVISIONS[engine]

    def begin(self) -> Sequence[str]:
        config = {"url": self._revisions.repository.url}
        return [self._world.call("POST", "/api/sources", {"kind": "git", "name": "docs", "config": config})["id"]]

    def show(self, revision: int) -> None:
        self._revisions.check_out(revision)


class SourcesCorpus:
    """A feed, a site, a mailbox, uploaded files with delivered mail, and a repository with a webhook.

    Each change of files and each delivery is sent until it is accepted, and some once more, as clients and providers
    do that get no answer.
    """

    def __init__(self, world: "World", servers: SourceServers) -> None:
        self._world = world
        self._servers = servers
        self._ids: dict[str, str] = {}
        self._secrets: dict[str, str] = {}
        self._shown = -1

    def revisions(self, engine: Engine) -> Sequence[int]:
        """Return the revisions. The last comes twice: a page of a site is gone when two listings miss it."""
        return (0, 1, _LAST, _LAST) if engine == "tickets" else (0, _LAST, _LAST)

    def begin(self) -> Sequence[str]:
        self._servers.begin()
        self._shown = -1
        configs: dict[str, tuple[str, Mapping[str, Any], str | None]] = {
            "feed": ("feed", {"url": f"{self._servers.site.origin}/feed"}, None),
            "hooks": ("git", {"url": self._servers.repository.url}, None),
            "site": ("site", {"url": f"{self._servers.site.origin}/site/", "sitemap": False, "delay_s": 0}, None),
            "uploads": ("uploads", {}, None),
        }
        if mailbox := self._servers.mail_source():
            configs["mail"] = ("mail", *mailbox)
        for name, (kind, config, token) in configs.items():
            new = {"kind": kind, "name": name, "config": config, "token": token}
            self._ids[name] = self._world.call("POST", "/api/sources", new)["id"]
        for name in ("hooks", "uploads"):
            self._secrets[name] = self._world.call("POST", f"/api/sources/{self._ids[name]}/webhook")["secret"]
        return [self._ids[name] for name in configs if name not in self._secrets]

    def show(self, revision: int) -> None:
        for number in range(self._shown + 1, revision + 1):
            self._servers.show(number)
            self._upload(number)
            self._push(number)
        self._shown = max(self._shown, revision)

    def _upload(self, revision: int) -> None:
        """Send, replace and delete files, one of them in parts, and deliver mail."""
        for path, content in self._servers.files(revision).items():
            if content is None:
                self._until_accepted("DELETE", f"{self._files}?path={path}")
            elif path.endswith("-in-parts.md"):
                self._until(lambda path=path, content=content: self._send_parts(path, content))
            else:
                for _ in range(2 if path.startswith("up/twice") else 1):
                    self._until_accepted("PUT", f"{self._files}?path={path}", content)
        for number, message in self._servers.delivered_mail(revision).items():
            for attempt in range(1 + number % 2):
                self._deliver("uploads", "/mail", f"mail-{number}-{attempt}", message, "message/rfc822")

    def _push(self, revision: int) -> None:
        """Commit changes, each followed by the delivery of a webhook, some of which come twice."""
        for number in range(3):
            self._servers.commit(revision, number)
            for _ in range(1 + number % 2):
                self._deliver("hooks", "", f"push-{revision}-{number}", b"{}", "application/json")

    @property
    def _files(self) -> str:
        return f"/api/sources/{self._ids['uploads']}/files"

    def _send_parts(self, path: str, content: bytes) -> None:
        new = {"path": path, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        upload = self._world.call("POST", f"/api/sources/{self._ids['uploads']}/uploads", new)
        for part in upload["missing"]:
            end = part["offset"] + part["bytes"]
            address = f"/api/uploads/{upload['id']}/parts/{part['number']}"
            self._world.send("PUT", address, content[part["offset"] : end])
        self._world.call("POST", f"/api/uploads/{upload['id']}/complete")

    def _deliver(self, source: Literal["hooks", "uploads"], path: str, id_: str, body: bytes, media_type: str) -> None:
        """Deliver a webhook with a signature of Standard Webhooks."""
        key = base64.b64decode(self._secrets[source].removeprefix("whsec_"))

        def deliver() -> None:
            at = int(time.time())
            signature = base64.b64encode(hmac.digest(key, f"{id_}.{at}.".encode() + body, "sha256")).decode()
            headers = {
                "Content-Type": media_type,
                "webhook-id": id_,
                "webhook-timestamp": str(at),
                "webhook-signature": f"v1,{signature}",
            }
            self._world.send("POST", f"/api/hooks/{self._ids[source]}{path}", body, headers)

        self._until(deliver)

    def _until_accepted(self, method: str, path: str, content: bytes = b"") -> None:
        def attempt() -> None:
            try:
                self._world.send(method, path, content, {"Content-Type": _SIGNED})
            except urllib.error.HTTPError as error:
                if method != "DELETE" or error.code != 404:  # it was deleted, and the answer was lost
                    raise

        self._until(attempt)

    def _until(self, attempt: Any) -> None:
        self._world.until(attempt, 240)


def corpus_of(world: "World", name: Corpus) -> CollectedCorpus:
    """Return a corpus of a world by its name."""
    return world.git if name == "git" else world.sources
