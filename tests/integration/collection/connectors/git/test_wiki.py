"""A wiki of GitHub, which is a Git repository: its branch, names of pages, sidebar and links."""

from pathlib import Path

import pytest

from tests.harness.git_server import GIT, File, Name, commit, git, make_repository, serve
from tests.harness.pipeline import Pipeline

pytestmark = pytest.mark.skipif(GIT is None, reason="needs git on the PATH")

HOME = b"""# Handbook

- [[Pump Guide]], [priming](Pump-Guide#priming), [[Pump-Guide]]
- [[Valve-list]]
- [[Oil change]]
- [[the guide|Pump Guide]]
- <https://github.com/acme/handbook/wiki/Pump-Guide>
"""
PAGES: dict[Name, File] = {
    "Home.md": HOME,
    "Pump-Guide.md": b"# Priming\n\nOpen the valve.\n",
    "Valve list.md": b"Two valves.\n",
    "_Sidebar.md": b"[[Home]]\n",
    "images/pump.png": b"\x89PNG",
}


def test_pages_of_a_wiki_are_collected_and_linked(tmp_path: Path, pipeline: Pipeline) -> None:
    wiki = make_repository(tmp_path / "handbook.wiki.git", {})
    git("symbolic-ref", "HEAD", "refs/heads/master", cwd=wiki)
    commit(wiki, PAGES, branch="master")
    with serve(tmp_path, partial=True) as server:
        source = pipeline.add_source(f"{server.url}/handbook.wiki.git")
        assert pipeline.collect(source).counts.added == 4
        assert pipeline.live_keys() == ["Home.md", "Pump-Guide.md", "Valve list.md", "_Sidebar.md"]
        assert links(pipeline) == {
            "Pump Guide": "Pump-Guide.md",
            "Pump-Guide": "Pump-Guide.md",
            "Pump-Guide#priming": "Pump-Guide.md",
            "Valve-list": "Valve list.md",
            "Home": "Home.md",
            "Oil change": None,
            # Not resolved: GitHub has the label first, other tools have it last. The address is of another site.
            "the guide": None,
            "https://github.com/acme/handbook/wiki/Pump-Guide": None,
        }
        commit(wiki, {"Oil-Change.md": b"Every year.\n", "Pump-Guide.md": None}, branch="master")
        commit(wiki, {"Pump guide.md": b"Moved.\n"}, branch="master")
        pipeline.collect(source)
        changed = links(pipeline)
        assert (changed["Oil change"], changed["Pump-Guide"]) == ("Oil-Change.md", "Pump guide.md")


def links(pipeline: Pipeline) -> dict[str, str | None]:
    """Return the key that each link leads to, by its target."""
    statement = "select l.target, t.key from relations l left join documents t on t.id = l.target_document_id"
    return dict(pipeline.rows(statement))
