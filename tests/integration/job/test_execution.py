"""The run that the workers of an execution share."""

import shutil

import pytest

from functions.job.execution import Execution
from headwater.errors import Conflict
from tests.harness.collection_app import CollectionClient
from tests.harness.pipeline import Pipeline, Repository

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")


def test_execution_does_not_take_over_an_open_restore(
    pipeline: Pipeline, client: CollectionClient, repository: Repository
) -> None:
    repository.write({"pump.md": "# Pump\n\nThe pump moves water.\n"})
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    [[document_id]] = pipeline.rows("update documents set deleted_at = now() returning id")
    client.post(f"/api/documents/{document_id}/restore", status=200)
    execution = Execution(pipeline.database, pipeline.settings, pipeline.workspace_id, source.id)
    with pytest.raises(Conflict, match=r"is open \(restore\)"):
        execution.find_or_start_run()
    pipeline.drain()
    assert pipeline.read(execution.find_or_start_run()).kind == "collect"
