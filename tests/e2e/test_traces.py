"""Spans of the running stack, which a collector receives: one tree for each request, without texts or secrets."""

import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest

from tests.fakes.http_target import Target, http_target
from tests.harness.pipeline import Repository
from tests.harness.spans import ReceivedSpan, received_spans
from tests.harness.stacks import RunningStack, running_stack, temporary_data, wait_until

SECRET_TEXT = "cinnamon"
CLIENT = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")


@pytest.fixture(scope="module")
def collector() -> Iterator[Target]:
    with http_target() as target:
        yield target


@pytest.fixture(scope="module")
def traced(collector: Target) -> Iterator[RunningStack]:
    with temporary_data() as data:
        (data / ".env").write_text(f"OTEL_EXPORTER_OTLP_ENDPOINT={collector.url}\nOTEL_EXPORTER_OTLP_HEADERS=k=v\n")
        with running_stack(data, "--embedding-model", "constant") as stack:
            yield stack


@pytest.fixture
def client(traced: RunningStack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=traced.url, headers=traced.authorization, timeout=60) as made:
        yield made


def assert_tree(spans: Sequence[ReceivedSpan], outside: str = "") -> None:
    """Assert that the spans are one tree; its root's parent is a span that no function sent."""
    ids = Counter(span.id for span in spans)
    assert set(ids.values()) == {1}
    [root] = {span.parent for span in spans if span.parent not in ids}
    assert root == outside or (not outside and len(root) == 16)


def test_collect_and_question_are_one_tree_each(
    traced: RunningStack, client: httpx.Client, collector: Target, tmp_path: Path
) -> None:
    repository = Repository(tmp_path / "spices")
    repository.write({"a.md": f"# Guide\n\nThe {SECRET_TEXT} is on the top shelf."})
    source = client.post("/api/sources", json={"kind": "git", "name": "s", "config": {"url": repository.url}})
    assert source.status_code == 201, source.text
    begun = client.post(f"/api/sources/{source.json()['id']}/collect", json={})
    assert begun.status_code == 202, begun.text
    run_id = begun.json()["run_id"]
    wait_until(lambda: client.get(f"/api/runs/{run_id}").json()["state"] == "succeeded")
    message = {"id": "m", "role": "user", "parts": [{"type": "text", "text": f"Where is the {SECRET_TEXT}?"}]}
    answer = client.post(
        "/api/chat",
        json={"id": str(uuid.uuid4()), "messages": [message]},
        headers={"traceparent": f"00-{CLIENT[0]}-{CLIENT[1]}-01"},
    )
    assert SECRET_TEXT in answer.text
    client.get(f"/api/search?q={SECRET_TEXT}", headers={"traceparent": "forged", "tracestate": SECRET_TEXT})

    def spans(name: str) -> list[ReceivedSpan]:
        """Return all spans of the traces that have a span of this name."""
        every = received_spans(collector.hits)
        traces = {span.trace for span in every if span.name == name}
        return [span for span in every if span.trace in traces]

    wait_until(lambda: {"step finish", "POST /api/chat"} <= {span.name for span in received_spans(collector.hits)})
    wait_until(lambda: spans("GET /api/search"))
    question = spans("POST /api/chat")
    assert_tree(question, outside=CLIENT[1])
    assert {span.trace for span in question} == {CLIENT[0]}
    names = {span.name: span for span in question}
    model = names["chat extractive"]
    assert {"search", "read languages", "embeddings constant", "find passages"} < names.keys()
    assert (model.parent, model.events) == (names["POST /api/chat"].id, ("first token",))
    assert names["POST /api/chat"].attributes["http.response.status_code"] == 200

    collect = spans("POST /api/sources/<uuid:id>/collect")
    assert_tree(collect)
    steps = [span for span in collect if span.name.startswith("step ")]
    assert {"step list", "step fetch", "step embed"} <= {span.name for span in steps}
    assert {span.attributes["headwater.run_id"] for span in steps} == {run_id}
    assert {span.service for span in steps} == {"collection", "embedding"}
    logged = {entry.get("logging.googleapis.com/trace") for entry in traced.log_entries("embedding")}
    assert f"projects/local/traces/{collect[0].trace}" in logged

    sent = b"".join(hit.body for hit in collector.hits)
    assert not [text for text in (SECRET_TEXT, traced.token, "spices", "select ") if text.encode() in sent]
    assert [span for span in received_spans(collector.hits) if span.failed] == []
