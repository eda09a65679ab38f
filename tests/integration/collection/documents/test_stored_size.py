"""What the database writes for a document that is hostile by its size is bounded by that size."""

from tests.harness.adversarial.front_matter import FRONT_MATTER, LAUGHS, MERGES
from tests.harness.adversarial.markdown import MARKDOWN
from tests.harness.pipeline import Pipeline, Repository

SIZE = 70_000

MAX_BYTES = 80 * SIZE
"""Most for wikilinks: 5,000 links are kept, and each is written twice with its entries in the indexes."""

DOCUMENTS = {
    "a reference that no link may have": f"[a]: {'b' * 30_000}\n\n" + "[a] " * 10_000,
    "a long reference used often": f"[a]: {'b' * 1_900}\n\n" + "[a] " * 17_000,
    "links to one page": "[a](a.md) " * (SIZE // 10),
    "links to different pages": "".join(f"[a]({n}.md) " for n in range(SIZE // 12)),
    "wikilinks": MARKDOWN["wikilinks closed"](SIZE),
    "images in links": MARKDOWN["images in links"](SIZE),
    "headings": MARKDOWN["headings without text"](SIZE),
    "long headings above short ones": MARKDOWN["long headings above short ones"](SIZE),
    "different words": "".join(f"{n:x} " for n in range(SIZE // 5)),
    "front matter": f"---\n{FRONT_MATTER['keys'](SIZE)}\n---\n",
    "front matter of aliases": f"---\n{LAUGHS}\n---\n",
    "front matter of merge keys": f"---\n{MERGES}\n---\n",
}


def test_bytes_written_for_a_document_are_bounded_by_its_size(pipeline: Pipeline, repository: Repository) -> None:
    repository.write({"a.md": "# A\n"})
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    written = {}
    for name, text in DOCUMENTS.items():
        repository.write({f"{name}.md": text})
        before = wal_bytes(pipeline)
        assert pipeline.collect(source).counts.added == 1
        written[name] = wal_bytes(pipeline) - before
    assert {name: written_bytes for name, written_bytes in written.items() if written_bytes > MAX_BYTES} == {}


def wal_bytes(pipeline: Pipeline) -> int:
    """Return how much the server has written to its log so far: rows, long values and entries of indexes."""
    [(position,)] = pipeline.rows("select pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
    return int(position)
