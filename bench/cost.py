"""How many CPU seconds do pages, answers and wake-ups take? `python -m bench.cost [REPOSITORY]`

The whole stack collects a Git repository, answers questions by way of an OpenAI-like server on loopback, and takes
ticks. Processor time is read from the system for each function's processes and its database, so that other work on the
machine counts for nothing. Writes `bench/measured-cost.json`, which `scripts/cost` makes prices of.
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
    """Read what each part has used so far: its processes, what they started, and what those left behind."""
    used = {}
    for part in PARTS:
        process = psutil.Process(stack.pids[part])
        family = [process, *process.children(recursive=True)]
        used[part] = sum(sum(member.cpu_times()[:4]) for member in family)
    return used


def difference(before: Mapping[str, float], after: Mapping[str, float], per: float) -> dict[str, float]:
    """Return the seconds in between for each of `per` things."""
    return {part: round(max(0.0, after[part] - before[part]) / per, 6) for part in before}


def ask(url: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
    """Make a request and read its answer whole, as JSON if it is."""
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, content, {"Content-Type": "application/json", **(headers or {})})
    with urllib.request.urlopen(request, timeout=600) as answer:
        text = answer.read()
        return json.loads(text) if "json" in answer.headers["Content-Type"] else text


def collect(stack: RunningStack, source_id: str) -> dict[str, Any]:
    """Collect a source to its end; returns the run."""
    run_id = ask(f"{stack.url}/api/sources/{source_id}/collect", {})["run_id"]
    while (run := ask(f"{stack.url}/api/runs/{run_id}"))["state"] == "running":
        time.sleep(1)
    if run["state"] != "succeeded":
        raise SystemExit(f"the collect ended {run['state']}: {run['error'] or run['failures'][:3]}")
    return dict(run)


def measure_pages(stack: RunningStack, repository: str) -> dict[str, Any]:
    """Collect everything once, and once more unchanged."""
    source = {"kind": "git", "name": "cost", "config": {"url": repository}}
    source_id = ask(f"{stack.url}/api/sources", source)["id"]
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
    """Ask questions in conversations of their own; their prompts are what the provider was sent."""
    questions = [question.question for question in QUESTIONS]
    start = cpu_seconds(stack)
    for n in range(ANSWERS):
        parts = [{"type": "text", "text": questions[n % len(questions)]}]
        message = {"id": uuid.uuid4().hex, "role": "user", "parts": parts}
        ask(f"{stack.url}/api/chat", {"id": uuid.uuid4().hex, "messages": [message]})
    used = difference(start, cpu_seconds(stack), ANSWERS)
    prompts = [sum(len(message["content"]) for message in sent["messages"]) for sent in provider.requests]
    return {"cpu_s_per_answer": used, "prompt_characters": round(sum(prompts) / len(prompts))}


def measure_ticks(stack: RunningStack) -> dict[str, float]:
    """Let the scheduler's own request come, as Cloud Run would deliver it, and find nothing due."""
    start = cpu_seconds(stack)
    job = f"http://127.0.0.1:{stack.ports['localcloud']}/v1/projects/local/locations/local/jobs/headwater-tick:run"
    for _ in range(TICKS):
        ask(job, {})
        time.sleep(0.2)
    return difference(start, cpu_seconds(stack), TICKS)


def start_seconds() -> dict[str, float]:
    """Read how much processor time a function takes to start, from starting a second stack."""
    with temporary_data() as data, running_stack(data, "--embedding-model", MODEL) as stack:
        return {part: round(used, 3) for part, used in cpu_seconds(stack).items() if part not in ("postgres", "edge")}


def main() -> None:
    """Measure everything and write it down."""
    parser = argparse.ArgumentParser(prog="python -m bench.cost", description="CPU seconds of what costs money.")
    parser.add_argument("repository", nargs="?", type=Path, help="a Git repository; default: the project's own corpus")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, fake_provider() as provider, temporary_data() as data:
        provider.pieces = ["An answer of some length, in several pieces. "] * 8 + ["It is cited [1]."]
        repository = options.repository.resolve().as_uri() if options.repository else _own(Path(folder))
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
    print(f"{MEASURED.name} is written; scripts/cost makes docs/costs.md of it")


def _own(folder: Path) -> str:
    repository = Repository(folder / "corpus")
    repository.write(FILES)
    return repository.url


if __name__ == "__main__":
    main()
