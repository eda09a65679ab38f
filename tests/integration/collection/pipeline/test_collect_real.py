"""Collecting real documentation, with counts compared to Git's."""

import os
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from tests.harness.databases import FreshDatabase
from tests.harness.git_server import serve
from tests.harness.pipeline import Pipeline, Repository

DATA = os.environ.get("HEADWATER_DATA", "")
BUNDLE = Path(DATA, "cpp-build-docs.bundle")

pytestmark = [
    pytest.mark.skipif(not shutil.which("git"), reason="needs git: clones bundles with it"),
    pytest.mark.skipif(not DATA or not BUNDLE.exists(), reason="needs HEADWATER_DATA with cpp-build-docs.bundle"),
]


def clone(folder: Path) -> Repository:
    subprocess.run(["git", "clone", "-q", str(BUNDLE), str(folder)], check=True)
    return Repository(folder)


def commits_of(repository: Repository) -> list[str]:
    return repository.git("rev-list", "--reverse", "HEAD").split()


def check_out(repository: Repository, commit: str) -> None:
    repository.git("update-ref", "refs/heads/now", commit)


def changes(repository: Repository, before: str, after: str) -> dict[str, int]:
    """Return Git's counts of added, changed and removed Markdown files between two commits."""
    patterns = ["*.md", "*.mdx"]
    lines = repository.git("diff", "--name-status", "--no-renames", before, after, "--", *patterns).split("\n")
    letters = [line[0] for line in lines if line]
    return {"added": letters.count("A"), "changed": letters.count("M"), "removed": letters.count("D")}


def test_collect_of_consecutive_commits_has_gits_counts(pipeline: Pipeline, tmp_path: Path) -> None:
    repository = clone(tmp_path / "docs")
    first, *later = commits_of(repository)
    check_out(repository, first)
    source = pipeline.add_source(repository.url, branch="now")
    run = pipeline.collect(source)
    assert (run.state, run.snapshot) == ("succeeded", first)
    paths = [name for name in repository.git("ls-tree", "-r", "--name-only", first).split("\n") if name.endswith(".md")]
    assert run.counts.added == run.total == len(paths)
    before = first
    for commit in later:
        vectors = set(pipeline.rows("select input_hash from vectors"))
        check_out(repository, commit)
        run = pipeline.collect(source)
        counts = run.counts
        expected = changes(repository, before, commit)
        assert {"added": counts.added, "changed": counts.changed, "removed": counts.removed} == expected
        assert counts.embedded == len(set(pipeline.rows("select input_hash from vectors")) - vectors)
        assert counts.embedded + counts.reused == counts.chunks
        again = pipeline.collect(source)
        assert (again.counts.unchanged, again.counts.embedded, again.counts.chunks) == (run.total, 0, 0)
        before = commit


def test_collect_over_http_stores_the_same_as_from_disk(
    pipeline: Pipeline, database: FreshDatabase, tmp_path: Path
) -> None:
    repository = clone(tmp_path / "docs")
    pipeline.collect(pipeline.add_source(repository.url))
    expected = pipeline.contents()
    for partial in (True, False):
        with serve(tmp_path, partial=partial) as server:
            pipeline.rows("delete from sources returning id")
            blobs = (tmp_path / f"blobs{partial}").as_uri()
            other = Pipeline(database, blob_url=blobs)
            run = other.collect(other.add_source(f"{server.url}/docs"))
            assert run.state == "succeeded"
            assert other.contents() == expected
            other.database.close()


def test_counts_of_a_run_never_decrease(pipeline: Pipeline, tmp_path: Path) -> None:
    repository = clone(tmp_path / "docs")
    source = pipeline.add_source(repository.url)
    run_id = pipeline.start(source)
    progress: list[tuple[int, ...]] = []

    def record_progress() -> bool:
        counts = pipeline.read(run_id).counts
        progress.append((counts.listed, counts.added + counts.failed, counts.chunks, counts.embedded + counts.reused))
        return False

    pipeline.drain(stop=record_progress)
    run = pipeline.read(run_id)
    assert (run.state, run.counts.added) == ("succeeded", run.total)
    for earlier, later in pairwise(progress):
        assert all(a <= b for a, b in zip(earlier, later, strict=True))
