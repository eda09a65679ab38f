"""Switch the embedding model: built while another is active, by workers that die, under continuous searches."""

import os
import shutil
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from functions.chat.retrieval.search import Search
from functions.collection.models.builds import Builds
from functions.collection.models.models import EmbeddingModel, EmbeddingModels
from functions.collection.runs.start import start_run
from headwater.database.migrations import register_model
from headwater.database.transactions import ALL_WORKSPACES
from headwater.embedding.registry import Embedders
from headwater.embedding.scales import neutral_texts
from headwater.errors import Conflict, NotFound
from tests.fakes.embedding_provider import Answer, EmbeddingProvider, embedding_provider
from tests.harness.collection_app import CollectionClient, NoTickets
from tests.harness.databases import FreshDatabase
from tests.harness.job_server import job_program
from tests.harness.paths import ROOT
from tests.harness.pipeline import Pipeline, Repository, running_pipeline
from tests.harness.stacks import wait_until
from tests.harness.support import OTHER_WORKSPACE, WORKSPACE, add_workspace

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

DIM = 8
NEW = "openai:new"
BATCH = 4


@dataclass(frozen=True)
class Switch:
    """A workspace with 40 documents, whose active model is `constant`, and the provider of `openai:new`."""

    pipeline: Pipeline
    provider: "KnowingProvider"
    repository: Repository
    models: EmbeddingModels
    admin_url: str

    def client(self) -> CollectionClient:
        return CollectionClient(self.pipeline.database, self.pipeline.settings)

    def vectors(self) -> dict[str, int]:
        """Return the number of vectors by model, of the workspace."""
        statement = "select m.name, count(*) from vectors v join embedding_models m on m.id = v.model_id group by 1"
        return dict(self.pipeline.rows(statement))


class KnowingProvider(EmbeddingProvider):
    """Knows the answers to the neutral questions, so its similarities count. Its vectors are not those of `constant`,
    also where they have the same length."""

    answered: int | None = None
    """How many batches of documents it answers. Later ones wait."""

    def take(self, key: str, request: dict[str, Any]) -> Answer:
        answer = super().take(key, request)
        is_late = self.answered is not None and len(batches(self)) > self.answered
        return "hang" if is_late and not NEUTRAL.issuperset(request["input"]) else answer

    def vectors(self, request: dict[str, Any]) -> bytes:
        answers = dict(neutral_texts()["en"])
        return super().vectors({**request, "input": [answers.get(text, text) for text in request["input"]]})


@pytest.fixture
def switch(empty_database: FreshDatabase, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Switch]:
    dim = getattr(request, "param", DIM)
    repository = Repository(tmp_path / "repository")
    repository.write({f"d{n:03}.md": f"# Document {n}\n\nWater rises to mark {n}." for n in range(40)})
    with embedding_provider(KnowingProvider(dim=dim, salt=b"new")) as provider:
        hosted = {"embedding_base_url": provider.url, "embedding_dim": dim, "embed_batch": BATCH, "lease_s": 1.0}
        with running_pipeline(empty_database, **hosted) as pipeline:
            settings = pipeline.settings
            assert pipeline.collect(pipeline.add_source(repository.url)).state == "succeeded"
            builds = Builds(pipeline.database, settings, NoTickets(pipeline.database, settings), lambda _: None)
            models = EmbeddingModels(pipeline.database, settings, builds)
            yield Switch(pipeline, provider, repository, models, empty_database.admin_url)


class Searches:
    """Searches without a pause on a thread, and keeps what fails."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.search = Search(pipeline.database, Embedders(pipeline.settings))
        self.workspace_id = pipeline.workspace_id
        self.failures: list[object] = []
        self.count = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Searches":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()

    def wait(self, searches: int = 3) -> None:
        """Wait until that many searches that start from now on have ended."""
        until = self.count + searches + 1
        wait_until(lambda: self.count >= until or bool(self.failures))

    def _run(self) -> None:
        while not self.over.is_set():
            try:
                # The text of a chunk: its similarity to itself is 1. Postgres refuses to compare vectors of two models
                # of different lengths; of the same length, a query of one and vectors of the other have about 0.
                [best, *_] = self.search(self.workspace_id, "Document 7\n# Document 7\n\nWater rises to mark 7.", 5)
                if best.key != "d007.md" or best.similarity is None or best.similarity < 0.99:
                    self.failures.append(best)
            except Exception as error:  # noqa: BLE001 - every failure is one
                self.failures.append(error)
            self.count += 1


def run_job(switch: Switch) -> "subprocess.Popen[str]":
    settings = switch.pipeline.settings
    variables = {
        **os.environ,
        "DATABASE_URL": settings.database_url,
        "EMBEDDING_MODEL": "constant",
        "EMBEDDING_BASE_URL": switch.provider.url,
        "EMBEDDING_DIM": str(switch.provider.dim),
        "EMBED_BATCH": str(BATCH),
        "LEASE_S": "1",
        "FETCH_FILE_URLS": "true",
    }
    command = [job_program(), "drain"]
    return subprocess.Popen(
        command, env=variables, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


NEUTRAL = {text for pair in neutral_texts()["en"] for text in pair}


def batches(provider: EmbeddingProvider) -> list[list[str]]:
    """Return the batches of documents: without those that measure the model."""
    return [batch for batch in provider.batches if not NEUTRAL.issuperset(batch)]


def wait_for_batches(provider: EmbeddingProvider, count: int) -> None:
    """Wait until the provider has received that many more batches."""
    until = len(batches(provider)) + count
    wait_until(lambda: len(batches(provider)) >= until)


@pytest.mark.parametrize("switch", [DIM, 384], indirect=True, ids=["shorter", "same length"])
def test_switch_under_searches_with_a_builder_that_is_killed_twice(switch: Switch) -> None:
    """No search fails or mixes models; no text is embedded twice but those in flight when the builder died."""
    pipeline, models, provider = switch.pipeline, switch.models, switch.provider
    new = models.register("test", NEW)
    with Searches(pipeline) as searches:
        models.build("test", new.id, activate=False)
        for kill in (1, 2):
            provider.answered = len(batches(provider)) + 2
            builder = run_job(switch)
            wait_for_batches(provider, 2)
            builder.send_signal(signal.SIGKILL)
            builder.communicate(timeout=60)
            with pytest.raises(Conflict, match="texts have no vector"):
                models.activate("test", new.id)
            assert switch.vectors().get(NEW, 0) < 40, f"kill {kill} came too late"
        provider.answered = None
        switch.repository.write({"late.md": "# Late\n\nAdded while the model is built."})
        builder = run_job(switch)
        assert pipeline.collect(pipeline.add_source(switch.repository.url)).counts.failed == 0
        output = builder.communicate(timeout=60)[0]
        assert builder.returncode == 0, output
        pipeline.drain()
        assert switch.vectors() == {"constant": 41, NEW: 41}
        times = Counter(text for batch in batches(provider) for text in batch)
        assert len(times) == 41
        assert sum(times.values()) - len(times) <= 2 * BATCH, "texts in flight at two kills"

        searches.wait()
        assert models.activate("test", new.id).state == "active"
        searches.wait()
        assert models.roll_back("test").name == "constant"
        searches.wait()
        assert models.roll_back("test").name == NEW
        searches.wait()
        models.delete("test", next(model.id for model in models.read_all() if model.name == "constant"))
        searches.wait()
    assert searches.failures[:3] == []
    assert switch.vectors() == {NEW: 41}
    assert pipeline.rows("select to_regclass('vectors_1')::text") == [(None,)]
    assert "constant" not in switch.client().get("/api/embedding-models")["available"], "it is for tests"


def test_failing_provider_of_a_building_model_does_not_disturb_the_active_one(switch: Switch) -> None:
    switch.provider.answers, switch.provider.retry_after_s = iter([429, *[500] * 500]), 3600
    new = switch.models.register("test", NEW)
    switch.models.build("test", new.id, activate=True)
    switch.repository.write({"late.md": "# Late\n\nAdded while the provider fails."})
    source_id = switch.pipeline.rows("select id from sources")[0][0]
    with switch.pipeline.database.transaction(WORKSPACE) as tx:
        run_id, _ = start_run(tx, WORKSPACE, source_id, "job")
    switch.pipeline.drain()
    assert switch.pipeline.read(run_id).state == "succeeded"
    assert switch.vectors() == {"constant": 41}
    model = switch.models.read(new.id)
    assert model.state == "building"
    assert model.progress is not None
    assert model.progress.is_open
    assert model.progress.error is not None
    with switch.pipeline.database.transaction(ALL_WORKSPACES) as tx:
        tx.execute(sa.text("delete from providers"))
        tx.execute(sa.text("update steps set not_before = now() where state = 'ready'"))
    switch.provider.answers = iter([])
    switch.pipeline.drain()
    assert switch.models.read(new.id).state == "active", "it was to be activated as soon as it is complete"
    assert switch.vectors() == {"constant": 41, NEW: 41}


def test_models_through_the_api(switch: Switch) -> None:
    client = switch.client()
    path = "/api/embedding-models"
    client.post(path, {"name": "nonsense"}, 422)
    assert "COHERE_API_KEY is missing" in client.post(path, {"name": "cohere:embed-v4.0"}, 422)["detail"]
    new = client.post(path, {"name": NEW}, 201)
    assert client.post(path, {"name": NEW}, 201) == new
    assert (new["state"], new["dim"]) == ("registered", DIM)
    client.post(f"{path}/{new['id']}/activate", {}, 409)
    client.post(f"{path}/rollback", None, 409)
    estimate = client.get(f"{path}/{new['id']}/estimate")
    assert (estimate["texts"], estimate["usd"]) == (40, None)
    assert estimate["tokens"] > 0
    building = client.post(f"{path}/{new['id']}/build", {}, 202)
    assert (building["state"], building["progress"]["texts"], building["progress"]["is_open"]) == ("building", 40, True)
    client.post(f"{path}/1/build", {}, 409)
    client.delete(f"{path}/1", 409)
    switch.pipeline.drain()
    progress = client.get(f"{path}/{new['id']}")["progress"]
    assert progress == {"texts": 40, "embedded": 40, "is_open": False, "error": None}
    assert client.get(f"{path}/{new['id']}/estimate")["texts"] == 0
    assert client.get("/api/runs?limit=200")["runs"][0]["kind"] == "collect"
    assert client.post(f"{path}/{new['id']}/activate", {}, 200)["state"] == "active"
    assert client.post(f"{path}/rollback", None, 200)["id"] == 1
    client.delete(f"{path}/{new['id']}")
    client.get(f"{path}/{new['id']}", 404)
    entries = client.get("/api/audit-log")["entries"]
    actions = [entry["action"] for entry in entries if entry["action"].startswith("model.")]
    assert actions[:5] == ["model.deleted", "model.switched", "model.switched", "model.building", "model.registered"]
    add_workspace(switch.pipeline.database, OTHER_WORKSPACE)
    client.post(path, {"name": NEW}, 403)
    assert client.get(path)["may_change"] is False


class LateModels(EmbeddingModels):
    """Has read a model just before another request deleted it."""

    late: EmbeddingModel | None = None

    def read(self, model_id: int) -> EmbeddingModel:
        late, self.late = self.late, None
        return late or super().read(model_id)


def test_model_that_another_request_deletes_is_not_found(switch: Switch) -> None:
    models = LateModels(switch.pipeline.database, switch.pipeline.settings, switch.models.builds)
    models.late = switch.models.register("test", NEW)
    switch.models.delete("test", models.late.id)
    with pytest.raises(NotFound):
        models.delete("test", models.late.id)


def test_model_whose_key_is_gone_is_neither_built_nor_activated(switch: Switch) -> None:
    register_model(switch.admin_url, "cohere:embed-v4.0", 1536)
    client = switch.client()
    for change, body in (("build", {}), ("activate", {"allow_missing": True})):
        problem = client.post(f"/api/embedding-models/2/{change}", body, 409)
        assert problem["detail"].startswith("COHERE_API_KEY is missing; cohere:embed-v4.0 requires it. Add")
    assert switch.models.read(1).state == "active"


def test_deleting_a_building_model_ends_its_build(switch: Switch) -> None:
    new = switch.models.register("test", NEW)
    switch.models.build("test", new.id, activate=True)
    switch.pipeline.step("collection")
    switch.pipeline.step("embedding")
    assert switch.vectors()[NEW] == BATCH
    switch.models.delete("test", new.id)
    switch.pipeline.drain()
    assert switch.vectors() == {"constant": 40}
    assert switch.pipeline.rows("select state from runs where kind = 'build'") == [("cancelled",)]
    again = switch.models.register("test", NEW)
    assert again.id != new.id


def test_changed_setting_builds_the_model_and_keeps_the_choice_of_owners(switch: Switch) -> None:
    def migrate(name: str, dim: int) -> str:
        return register_model(switch.admin_url, name, dim)

    assert migrate(NEW, DIM) == "constant"
    switch.models.builds.open_all()
    switch.pipeline.drain()
    assert migrate(NEW, DIM) == NEW
    assert switch.models.roll_back("test").name == "constant"
    assert migrate(NEW, DIM) == "constant", "an unchanged setting changes nothing"
    assert migrate("constant", 384) == "constant"
    assert migrate(NEW, DIM) == NEW, "complete: switched at once"


def test_estimate_uses_the_speed_of_each_local_model(switch: Switch) -> None:
    names = ["all-MiniLM-L6-v2-int8", "multilingual-e5-small-int8", "all-MiniLM-L6-v2", "multilingual-e5-small"]
    with switch.pipeline.database.transaction(WORKSPACE) as tx:
        tx.execute(sa.text("update chunks set token_count = 30000"))
    with switch.pipeline.database.transaction(ALL_WORKSPACES) as tx:
        for name in [*names, "onnx:/models/mine"]:
            tx.execute(sa.text("select register_embedding_model('test', :name, 384)"), {"name": name})
    minutes = {model.name: switch.models.estimate(model.id).minutes for model in switch.models.read_all()}
    workers = switch.pipeline.settings.max_tickets
    rates = {name: 40 * 30000 / 60 / workers / minutes[name] for name in names}
    expected = {names[0]: 18_500, names[1]: 9_300, names[2]: 8_300, names[3]: 4_100}
    assert rates == pytest.approx(expected, rel=0.02)
    assert minutes["onnx:/models/mine"] == minutes["multilingual-e5-small"]


def test_texts_of_all_workspaces_are_built(switch: Switch) -> None:
    add_workspace(switch.pipeline.database, OTHER_WORKSPACE)
    other = Pipeline.__new__(Pipeline)
    other.__dict__ |= {**switch.pipeline.__dict__, "workspace_id": OTHER_WORKSPACE}
    assert other.collect(other.add_source(switch.repository.url)).state == "succeeded"
    new = switch.models.register("test", NEW)
    assert switch.models.estimate(new.id).texts == 80
    switch.models.build("test", new.id, activate=True)
    switch.pipeline.drain()
    assert switch.models.read(new.id).state == "active"
    statement = "select count(*) from audit_log where action = 'model.switched' and target = :name"
    assert (switch.pipeline.rows(statement, name=NEW), other.rows(statement, name=NEW)) == ([(1,)], [(1,)])
