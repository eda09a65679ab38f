"""Measure CPU seconds of pages, answers and ticks, and write bench/measured-cost.json.

    python -m bench.cost [REPOSITORY]

The whole stack collects a Git repository, answers questions with an OpenAI-compatible server on loopback, and receives
ticks. CPU time is read per process of each function and of Postgres, so other work on the machine doesn't count.
`scripts/cost` computes prices from the result.
"""

import argparse
import datetime as dt
import json
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from tests.fakes.chat_provider import FakeProvider, fake_provider
from tests.harness.corpus import FILES, QUESTIONS
from tests.harness.pipeline import Repository
from tests.harness.stacks import RunningStack, running_stack, temporary_data

MEASURED = Path(__file__).with_name("measured-cost.json")
MODEL = "all-MiniLM-L6-v2"
PARTS = ("chat", "collection", "embedding", "postgres", "edge")
ANSWERS = 40
TICKS = 20


def cpu_seconds(stack: RunningStack) -> dict[str, float]:
    """Return the CPU seconds of each part so far: its processes and their children, including exited ones."""
    used = {}
    for part in PARTS:
        process = psutil.Process(stack.pids[part])
        family = [process, *process.children(recursive=True)]
        used[part] = sum(sum(member.cpu_times()[:4]) for member in family)
    return used


def difference(before: Mapping[str, float], after: Mapping[str, float], per: float) -> dict[str, float]:
    """Return the difference per unit of `per`."""
    return {part: round(max(0.0, after[part] - before[part]) / per, 6) for part in before}


def request_json(stack: RunningStack, path: str, body: Any = None, part: str = "edge") -> Any:
    """Send a request to a part of the stack and read the whole response, parsed if it is JSON."""
    content = None if body is None else json.dumps(body).encode()
    url = f"http://127.0.0.1:{stack.ports[part]}{path}"
    request = urllib.request.Request(url, content, {"Content-Type": "application/json"} | stack.authorization)
    with urllib.request.urlopen(request, timeout=600) as response:
        text = response.read()
        return json.loads(text) if "json" in response.headers["Content-Type"] else text


def collect(stack: RunningStack, source_id: str) -> dict[str, Any]:
    """Collect a source and wait for the end; returns the run."""
    run_id = request_json(stack, f"/api/sources/{source_id}/collect", {})["run_id"]
    while (run := request_json(stack, f"/api/runs/{run_id}"))["state"] == "running":
        time.sleep(1)
    if run["state"] != "succeeded":
        raise SystemExit(f"the collect ended {run['state']}: {run['error'] or run['failures'][:3]}")
    return dict(run)


def measure_pages(stack: RunningStack, repository: str) -> dict[str, Any]:
    """Collect everything, then once more without a change."""
    source = {"kind": "git", "name": "cost", "config": {"url": repository}}
    source_id = request_json(stack, "/api/sources", source)["id"]
    start = cpu_seconds(stack)
    run = collect(stack, source_id)
    end = cpu_seconds(stack)
    counts = run["counts"]
    pages = {
        "pages": counts["added"],
        "chunks_per_page": round(counts["chunks"] / counts["added"], 2),
        "cpu_s_per_page": difference(start, end, counts["added"]),
        "embedding_cpu_s_per_chunk": difference(start, end, counts["embedded"])["embedding"],
    }
    collect(stack, source_id)
    pages["cpu_s_unchanged"] = difference(end, cpu_seconds(stack), 1)
    return pages


def measure_answers(stack: RunningStack, provider: FakeProvider) -> dict[str, Any]:
    """Ask questions, each in a new conversation; prompt sizes are read from the provider's requests."""
    questions = [question.question for question in QUESTIONS]
    start = cpu_seconds(stack)
    for n in range(ANSWERS):
        parts = [{"type": "text", "text": questions[n % len(questions)]}]
        message = {"id": uuid.uuid4().hex, "role": "user", "parts": parts}
        request_json(stack, "/api/chat", {"id": uuid.uuid4().hex, "messages": [message]})
    used = difference(start, cpu_seconds(stack), ANSWERS)
    prompts = [sum(len(message["content"]) for message in request["messages"]) for request in provider.requests]
    return {"cpu_s_per_answer": used, "prompt_characters": round(sum(prompts) / len(prompts))}


def measure_ticks(stack: RunningStack) -> dict[str, float]:
    """Trigger the schedule, whose ticks find nothing due."""
    start = cpu_seconds(stack)
    for _ in range(TICKS):
        request_json(stack, "/v1/projects/local/locations/local/jobs/headwater-tick:run", {}, "localcloud")
        time.sleep(0.2)
    return difference(start, cpu_seconds(stack), TICKS)


def start_seconds() -> dict[str, float]:
    """Return the CPU seconds that each function takes to start, measured on a second stack."""
    with temporary_data() as data, running_stack(data, "--embedding-model", MODEL) as stack:
        return {part: round(used, 3) for part, used in cpu_seconds(stack).items() if part not in ("postgres", "edge")}


def main() -> None:
    """Measure everything and write the JSON file."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.cost", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("repository", nargs="?", type=Path, help="path of a Git repository; default: the tests' corpus")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, fake_provider() as provider, temporary_data() as data:
        provider.pieces = ["An answer of some length, in several pieces. "] * 8 + ["It is cited [1]."]
        repository = options.repository.resolve().as_uri() if options.repository else _own_corpus(Path(folder))
        data.mkdir()
        key = f"OPENAI_API_KEY=none\nOPENAI_BASE_URL={provider.url}\n"
        (data / ".env").write_text(key)
        with running_stack(data, "--embedding-model", MODEL, "--model", "openai:fake") as stack:
            pages = measure_pages(stack, repository)
            measured = {
                "measured_on": dt.datetime.now(dt.UTC).date().isoformat(),
                "embedding_model": MODEL,
                "start_cpu_s": start_seconds(),
                "collect": pages,
                "answers": measure_answers(stack, provider),
                "tick_cpu_s": measure_ticks(stack),
            }
    MEASURED.write_text(json.dumps(measured, indent=2) + "\n")
    print(f"wrote {MEASURED.name}; run scripts/cost to update docs/costs.md")


def _own_corpus(folder: Path) -> str:
    repository = Repository(folder / "corpus")
    repository.write(FILES)
    return repository.url


if __name__ == "__main__":
    main()
