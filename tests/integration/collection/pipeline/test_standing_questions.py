"""Runs of sources start standing questions that are asked after changes, once new texts are embedded."""

import uuid

import sqlalchemy as sa

from functions.chat.changes.recent import Changes, read_changes
from tests.harness.pipeline import Pipeline, Repository


def ask_after_changes(pipeline: Pipeline) -> uuid.UUID:
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        statement = """insert into standing_questions (workspace_id, subject, name, question, mode, on_change)
            values (:w, 'local', 'n', 'q', 'documents', true) returning id"""
        id_: uuid.UUID = tx.execute(sa.text(statement), {"w": pipeline.workspace_id}).scalar_one()
        return id_


def asked(pipeline: Pipeline) -> list[tuple[str, int]]:
    """Return the trigger of each run, and how many texts have no vector. Ends the runs."""
    statement = """select trigger, (select count(*) from chunks c where not exists (
          select 1 from vectors v where v.input_hash = c.input_hash)) as missing
        from standing_runs where state = 'running'"""
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        found = [(row.trigger, row.missing) for row in tx.execute(sa.text(statement))]
        tx.execute(
            sa.text("update standing_runs set state = 'complete', finished_at = now(), created_at = '2026-01-01'")
        )
        return found


def changes(pipeline: Pipeline, since: object) -> Changes:
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        return read_changes(tx, pipeline.workspace_id, since)  # type: ignore[arg-type]


def now(pipeline: Pipeline) -> object:
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        return tx.execute(sa.text("select clock_timestamp()")).scalar_one()


def test_question_is_asked_once_per_run_that_changes_documents(pipeline: Pipeline, repository: Repository) -> None:
    began = now(pipeline)
    repository.write({"a.md": "# A\n\nOne.\n", "b.md": "# B\n\nTwo.\n"})
    source = pipeline.add_source(repository.url)
    ask_after_changes(pipeline)
    pipeline.collect(source)
    assert asked(pipeline) == [("change", 0)]
    pipeline.collect(source)
    assert asked(pipeline) == [], "nothing has changed"
    repository.write({"a.md": "# A\n\nThree.\n", "b.md": None, "c.md": "# C\n"})
    before = now(pipeline)
    pipeline.collect(source)
    assert asked(pipeline) == [("change", 0)]
    found = changes(pipeline, before)
    assert [(each.change, each.key, each.title) for each in found.changes] == [
        ("added", "c.md", "C"),
        ("changed", "a.md", "A"),
        ("removed", "b.md", "B"),
    ]
    assert [(each.change, each.key) for each in changes(pipeline, began).changes] == [
        ("added", "a.md"),
        ("added", "c.md"),
    ]
