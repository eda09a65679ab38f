"""The servers of small sources in three revisions: a feed and a site on loopback, a mailbox of a Dovecot, a repository.

Texts differ between sources, so that none finds its texts embedded already by another.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from html import escape
from pathlib import Path
from typing import Any

from scripts.checks import system_tools
from tests.fakes.mail_messages import message
from tests.fakes.web_site import Page, WebSite, web_site
from tests.harness.dovecot import PASSWORD, Dovecot, TestMailbox, running_dovecot
from tests.harness.pipeline import Repository

HOLD_S = 0.4
"""How long a request that a fault targets is delayed."""
_WINDOW = 6
"""Entries of the feed: each revision shows three new ones, and three fall out."""
_PAGES = 12


class SourceServers:
    """The servers. `dovecot` is None where it isn't installed; then there is no mailbox."""

    def __init__(self, site: WebSite, repository: Repository, dovecot: Dovecot | None) -> None:
        self.site = site
        self.repository = repository
        self.dovecot = dovecot
        self._mailbox: TestMailbox | None = None
        self._messages: dict[int, str] = {}
        self._revision = -1
        self._requests = 0
        self._held: frozenset[int] = frozenset()
        self._lock = threading.Lock()
        self._first_commit = repository.write({f"h{n}.md": _page("hook", n, 0) for n in range(6)})
        site.find = self._find

    def begin(self) -> None:
        """Go back to what was before the first revision, with a new mailbox."""
        self._mailbox = self.dovecot.mailbox() if self.dovecot else None
        self._messages.clear()
        self._revision = 0
        self.repository.git("reset", "-q", "--hard", self._first_commit)

    def hold(self, requests: frozenset[int]) -> None:
        """Count requests from 1, and delay some."""
        with self._lock:
            self._requests, self._held = 0, requests

    def requests(self) -> int:
        """Count the requests of feed and site."""
        with self._lock:
            return self._requests

    def show(self, revision: int) -> None:
        """Change feed, site and mailbox."""
        self._revision = revision
        if self._mailbox:
            self._change_mailbox(self._mailbox, revision)

    def mail_source(self) -> tuple[Mapping[str, Any], str] | None:
        """Return config and password of the mailbox."""
        if self.dovecot is None or self._mailbox is None:
            return None
        config = {"host": "127.0.0.1", "port": self.dovecot.port, "user": self._mailbox.user, "security": "none"}
        return config, PASSWORD

    def files(self, revision: int) -> Mapping[str, bytes | None]:
        """Return the files that a revision uploads; None deletes one."""

        def file(number: int) -> bytes:
            return _page("upload", number, revision).encode()

        match revision:
            case 0:
                names = ["a", "b", "c", "twice-d", "e-in-parts"]
                return {f"up/{name}.md": file(number) for number, name in enumerate(names)}
            case 1:
                return {"up/a.md": file(0), "up/b.md": None, "up/f.md": file(5), "up/twice-d.md": file(3)}
        return {"up/c.md": None, "up/e-in-parts.md": file(4), "up/twice-g.md": file(6)}

    def delivered_mail(self, revision: int) -> Mapping[int, bytes]:
        """Return the messages that a provider delivers in a revision, by number, the first with an attached file."""
        first = 200 + 3 * revision
        file = ("note.md", _page("note", first, 0).encode(), "text/markdown")
        return {
            n: message(n, _text("delivered", n, 0), subject=f"Delivered {n}", files=[file] if n == first else ())
            for n in range(first, first + 3)
        }

    def commit(self, revision: int, number: int) -> None:
        """Commit the next change of the repository."""
        self.repository.write({f"h{number}.md": _page("hook", number, revision + 1)})

    def _change_mailbox(self, mailbox: TestMailbox, revision: int) -> None:
        def deliver(number: int, subject: str, answers: tuple[int, ...] = ()) -> None:
            text = _text("mail", number, 0)
            self._messages[number] = mailbox.deliver(message(number, text, subject=subject, answers=answers))

        match revision:
            case 0:
                mailbox.create("Done")
                for number in range(8):
                    deliver(number, f"Subject {number}")
            case 1:
                deliver(8, "Re: Subject 1", (1,))
                deliver(9, "Subject 9")
                mailbox.remove(self._messages[2])
                mailbox.move(self._messages[3], "INBOX", "Done")
            case _:
                deliver(10, "Re: Subject 9", (9,))
                mailbox.remove(self._messages[4])
                mailbox.renumber()

    def _find(self, path: str) -> Page:
        with self._lock:
            self._requests += 1
            is_held = self._requests in self._held
        if is_held:
            time.sleep(HOLD_S)
        folder, _, name = path.strip("/").partition("/")
        if path == "/feed":
            return Page(self._feed(), "application/atom+xml")
        if folder == "articles":
            return Page(_html(f"Entry {name}", _text("article", int(name), self._edited(int(name)))))
        if folder == "site" and name in ("", *map(str, self._pages())):
            return Page(self._site_page(name))
        return Page("<p>Not found", status=404)

    def _edited(self, number: int) -> int:
        """Return the revision in which an entry or a page was edited last."""
        return max((one for one in range(1, self._revision + 1) if number % 4 == one), default=0)

    def _feed(self) -> str:
        """Write the feed. Every third entry has only an excerpt."""
        first = 3 * self._revision
        entries = []
        for number in range(first, first + _WINDOW):
            text = escape(f"<p>{_text('entry', number, self._edited(number))}</p>")
            body = f'<content type="html">{text}</content>'
            if number % 3 == 0:
                body = f"<summary>Entry {number}, edition {self._edited(number)} …</summary>"
            entries.append(
                f"<entry><id>tag:chaos,2024:{number}</id><title>Entry {number}</title>"
                f'<link href="{self.site.origin}/articles/{number}"/>'
                f"<updated>2024-05-{number + 1:02}T00:00:00Z</updated>{body}</entry>"
            )
        return (
            '<feed xmlns="http://www.w3.org/2005/Atom"><id>tag:chaos,2024:feed</id><title>Feed</title>'
            f"<updated>2024-05-01T00:00:00Z</updated>{''.join(entries)}</feed>"
        )

    def _pages(self) -> list[int]:
        """Return the pages of the site: each revision removes two of the first ones, and adds one."""
        removed = {2, 5} if self._revision else set()
        removed |= {7, 8} if self._revision > 1 else set()
        return [number for number in range(_PAGES + self._revision) if number not in removed]

    def _site_page(self, name: str) -> str:
        if name:
            return _html(f"Page {name}", _text("page", int(name), self._edited(int(name))))
        links = "".join(f'<li><a href="/site/{number}">Page {number}</a></li>' for number in self._pages())
        return _html("Site", f"The pages of revision {self._revision}.", f"<ul>{links}</ul>")


def _text(subject: str, number: int, edition: int) -> str:
    return f"The {subject} {number} describes pump {number * 7 + 3} in its edition {edition}. It was written for tests."


def _page(subject: str, number: int, edition: int) -> str:
    return f"# {subject.title()} {number}\n\n{_text(subject, number, edition)}\n"


def _html(title: str, text: str, more: str = "") -> str:
    body = f"<main><h1>{title}</h1><p>{text}</p>{more}</main>"
    return f"<!doctype html><html><head><title>{title}</title></head><body>{body}</body></html>"


@contextmanager
def source_servers(folder: Path) -> Iterator[SourceServers]:
    """Run the servers until the block ends."""
    with ExitStack() as stack:
        dovecot = stack.enter_context(running_dovecot()) if system_tools.program("dovecot") else None
        yield SourceServers(stack.enter_context(web_site()), Repository(folder), dovecot)
