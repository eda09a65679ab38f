"""The `link` step: links follow documents that are added, changed and removed; only links that may change are read."""

import shutil
from collections.abc import Mapping
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.pipeline import link
from functions.collection.pipeline.link import Link, LinkInput
from headwater.queue.ledger import Step
from headwater.queue.worker import Handler
from tests.harness.pipeline import Pipeline, Repository

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")


class Recorder(Link):
    """A link step that records which links it read, and how many rows Postgres read for them."""

    def __init__(self, read: list[str], rows: list[int]) -> None:
        self.read, self.rows = read, rows

    def gather(self, tx: Connection, step: Step) -> LinkInput:
        """Gather, and record the links' targets."""
        before = tx.execute(ROWS_READ).scalar_one()
        gathered = super().gather(tx, step)
        self.rows.append(tx.execute(ROWS_READ).scalar_one() - before)
        self.read += [link.target for link in gathered.links]
        return gathered


ROWS_READ = sa.text("select seq_tup_read + idx_tup_fetch from pg_stat_xact_user_tables where relname = 'relations'")


class Vault:
    """A repository and its source."""

    def __init__(self, pipeline: Pipeline, repository: Repository) -> None:
        self.pipeline, self.repository = pipeline, repository
        self.source: Any = None
        self.rows_read: list[int] = []

    def collect(self, files: Mapping[str, str | bytes | None]) -> list[str]:
        """Write files and collect them. Returns the targets of the links that were read."""
        self.repository.write(files)
        self.source = self.source or self.pipeline.add_source(self.repository.url)
        read: list[str] = []

        def record(handler: Handler) -> Handler:
            return Recorder(read, self.rows_read) if isinstance(handler, Link) else handler

        run_id = self.pipeline.start(self.source)
        while sum(self.pipeline.step(queue, record) for queue in ("collection", "embedding")):
            pass
        assert self.pipeline.read(run_id).state == "succeeded"
        return sorted(read)

    def links(self) -> dict[str, str | None]:
        """Return the key that each link leads to, by its target."""
        rows = self.pipeline.rows("""select l.target, t.key from relations l
            left join documents t on t.id = l.target_document_id and t.deleted_at is null""")
        return dict(rows)


@pytest.fixture
def vault(pipeline: Pipeline, repository: Repository) -> Vault:
    return Vault(pipeline, repository)


FILES: dict[str, str | bytes | None] = {
    "da/Start.md": "See [[Lamps]] and [pump](/guide/pump.html) and [[Start]].\n",
    "sv/Lamps.md": "Lampor.\n",
    "other.md": "See [[Beacon]] and [site](https://lamps.example/) and [missing](x/lampshade).\n",
    "guide/index.md": "See [folder](..).\n",
    "plain.md": "Text.\n",
    "more.md": "More of [all](/index.html).\n",
}
FIRST = {"Lamps": "sv/Lamps.md", "/guide/pump.html": None, "Start": "da/Start.md", "Beacon": None, "..": None}
FIRST |= {"/index.html": None, "https://lamps.example/": None, "x/lampshade": None}


def test_link_follows_the_nearest_page_of_its_name(vault: Vault) -> None:
    vault.collect(FILES)
    assert vault.links() == FIRST
    # The name occurs in two targets; `..` may stand for any folder.
    assert vault.collect({"da/Lamps.md": "Lamper.\n"}) == ["..", "/index.html", "Lamps", "x/lampshade"]
    assert vault.links() == FIRST | {"Lamps": "da/Lamps.md"}
    assert vault.collect({"da/Lamps.md": None}) == ["..", "/index.html", "Lamps", "x/lampshade"]
    assert vault.links() == FIRST


def test_changed_document_does_not_read_links_of_others(vault: Vault) -> None:
    vault.collect({f"{n}.md": f"See [the next]({n + 1}.md) and [itself]({n}.md).\n" * 5 for n in range(200)})
    vault.pipeline.rows("select refresh_statistics()")
    vault.rows_read.clear()
    assert vault.collect({"7.md": "Look at [page 8](8.md).\n"}) == [*["7.md"] * 5, "8.md"]
    assert 0 < sum(vault.rows_read) < 50


def test_link_follows_a_url_and_an_alias(vault: Vault) -> None:
    vault.collect(FILES)
    assert vault.collect({"guide/pump.md": "---\naliases: [Beacon]\n---\nPump.\n"}) == [
        "..",
        "/guide/pump.html",
        "/index.html",
        "Beacon",
    ]
    assert vault.links() == FIRST | {"/guide/pump.html": "guide/pump.md", "Beacon": "guide/pump.md"}
    assert vault.collect({"guide/pump.md": "Pump.\n"}) == ["/guide/pump.html", "Beacon"]
    assert vault.links() == FIRST | {"/guide/pump.html": "guide/pump.md"}
    vault.collect({"plain.md": "---\nalias: beacon\n---\nText.\n"})
    assert vault.links() == FIRST | {"/guide/pump.html": "guide/pump.md", "Beacon": "plain.md"}


def test_change_without_addresses_reads_only_its_own_links_and_those_to_it(vault: Vault) -> None:
    vault.collect(FILES)
    assert vault.collect({"sv/Lamps.md": "Lampor och [mer](../more.md).\n"}) == ["../more.md", "Lamps"]
    assert vault.links() == FIRST | {"../more.md": "more.md"}


def test_links_from_and_to_moved_documents_are_resolved_again(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "BLOCK_LINKS", 2)
    page = "Lampor i ett långt rum, som står intill hamnen, tills någon tänder dem.\n"
    moved = {f"{n}.md": f"{page}\n{n}: [next]({n + 1}.md)\n" for n in range(4)}
    read = vault.collect(
        {**{f"sv/{name}": text for name, text in moved.items()}, "a.md": "[[2]] [three](sv/3.md) [0](se/0)\n"}
    )
    assert read == ["1.md", "2", "2.md", "3.md", "4.md", "se/0", "sv/3.md"], "in four blocks"
    between = {"1.md": "sv/1.md", "2.md": "sv/2.md", "3.md": "sv/3.md", "4.md": None}
    assert vault.links() == {"2": "sv/2.md", "sv/3.md": "sv/3.md", "se/0": None, **between}
    vault.collect({f"sv/{name}": None for name in moved} | {f"se/{name}": text for name, text in moved.items()})
    between = {"1.md": "se/1.md", "2.md": "se/2.md", "3.md": "se/3.md", "4.md": None}
    assert vault.links() == {"2": "se/2.md", "sv/3.md": None, "se/0": "se/0.md", **between}


def test_page_of_a_folder_is_found_when_it_is_added(vault: Vault) -> None:
    vault.collect(FILES)
    vault.collect({"README.md": "# All\n"})
    assert vault.links() == FIRST | {"..": "README.md", "/index.html": "README.md"}
    vault.collect({"README.md": None})
    assert vault.links() == FIRST


def test_embedded_notes_are_links_of_their_note(vault: Vault) -> None:
    vault.collect({"a.md": "![[Lamp room]] and ![[Lamp room#Switches]] and ![[plan.png]]\n", "Lamp room.md": "Text.\n"})
    assert vault.links() == {"Lamp room": "Lamp room.md", "Lamp room#Switches": "Lamp room.md"}
