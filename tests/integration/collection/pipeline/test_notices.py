"""What a run says about files that it doesn't collect: by kind and count, or each with its reason."""

import shutil

import pytest

from functions.collection.pipeline.retry_failed import retry_run
from tests.harness.collection_app import CollectionClient
from tests.harness.pipeline import Pipeline, Repository

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

PUMP = "# Pump\n\nThe pump moves nine litres.\n"
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
PDF = b"%PDF-1.4\n1 0 obj <</Length 44>> stream\nBT /F1 24 Tf (Pump) Tj ET\nendstream endobj\n"


def test_source_that_leaves_out_most_files_says_so_by_kind(
    pipeline: Pipeline, client: CollectionClient, repository: Repository
) -> None:
    others = {f"docs/{name}": "The pump moves nine litres.\n" for name in ("c.ipynb", "e.txt", "guide.odt", "b.docx")}
    collected = {"README.md": PUMP, "docs/F.MD": PUMP, "docs/d.markdown": PUMP}
    repository.write({**others, **collected, "Makefile": "all:\n"})
    source = pipeline.add_source(repository.url)
    run = pipeline.collect(source)
    assert pipeline.live_keys() == sorted(collected)
    assert run.notice == (
        "4 files are left out: 1 .docx, 1 .ipynb, 1 .odt, 1 .txt. Add patterns to the source to collect them."
    )
    assert {kind.extension: kind.count for kind in run.unmatched} == {
        ".docx": 1,
        ".ipynb": 1,
        ".odt": 1,
        ".txt": 1,
        "": 1,
    }
    shown = client.get(f"/api/sources/{source.id}")["last_collect"]
    assert (shown["notice"], len(shown["unmatched"])) == (run.notice, 5)
    again = pipeline.collect(source)
    assert (again.state, again.notice) == ("succeeded", run.notice), "also when nothing has changed"
    preview = pipeline.finish(client.post(f"/api/sources/{source.id}/collect?dry_run=true"))
    assert preview.notice == run.notice


def test_source_without_matching_files_says_so(pipeline: Pipeline, repository: Repository) -> None:
    source = pipeline.add_source(repository.url, include=["**/*.md"])
    assert str(pipeline.collect(source).notice).startswith("The source has no documents.")
    repository.write({"c.mdx": PUMP, "main.py": "print()\n"})
    assert pipeline.collect(source).notice == "No file matches the source's patterns. 1 file is left out: 1 .mdx."
    repository.write({"A.MD": PUMP})
    run = pipeline.collect(source)
    assert (run.counts.added, str(run.notice)[:32]) == (1, "1 file is left out: 1 .mdx. Add ")
    repository.write({"b.md": PUMP, "d.md": PUMP})
    assert pipeline.collect(source).notice is None


def test_files_that_are_not_text_fail_with_the_reason_and_are_not_indexed(
    pipeline: Pipeline, repository: Repository
) -> None:
    refused: dict[str, tuple[str | bytes, str]] = {
        "lfs.md": (LFS, "lfs.md is a damaged pointer of Git LFS; commit it again with git-lfs"),
        "report.md": (PDF, "it is damaged and can't be opened as"),
        "photo.md": (b"\x89PNG\r\n\x1a\n\0\0", "the file is a PNG image, not text"),
        "wide.md": (PUMP.encode("utf-16-le"), "looks like UTF-16 without a byte order mark; save the file as UTF-8"),
        "chinese.md": (("水泵每分钟输送九升水。" * 2).encode("gb18030"), "the file is not valid UTF-8: "),
        "logo.svg": (
            "<svg><image href='data:image/png;base64,iVBORw0KGgo='/></svg>",
            "no installed parser reads image",
        ),
    }
    repository.write({**{key: content for key, (content, _) in refused.items()}, "ok.qmd": PUMP, "ok.Rmd": PUMP})
    run = pipeline.collect(pipeline.add_source(repository.url, include=["**"]))
    reasons = {failure.key: failure.reason for failure in run.failures}
    assert {key: reasons[key][: len(reason)] for key, (_, reason) in refused.items()} == {
        key: reason for key, (_, reason) in refused.items()
    }
    assert (run.counts.added, run.notice) == (2, None)
    assert pipeline.rows("select distinct d.key from chunks c join documents d on d.id = c.document_id order by 1") == [
        ("ok.Rmd",),
        ("ok.qmd",),
    ]
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        retry_id = retry_run(tx, pipeline.workspace_id, run.id, pipeline.settings)
    pipeline.drain()
    assert pipeline.read(retry_id).unmatched == run.unmatched
