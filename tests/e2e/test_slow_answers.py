"""Answers of a slow model in the running stack: clients that are cut off and come back, and a browser."""

import json
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.fakes.chat_provider import FakeProvider, fake_provider
from tests.fakes.fifty_pages import html, prose
from tests.fakes.search_engines import SearchEngines, search_engines
from tests.fakes.tunnels import running_tunnels
from tests.fakes.web_site import Page, WebSite, web_site
from tests.harness.browser import browse, needs_browser
from tests.harness.resume_trial import KINDS, Instances, Trial
from tests.harness.stacks import RunningStack, running_stack, temporary_data, wait_until

DOCUMENT = r"""
# Sums

With $x_1 + x_2$:

$$
\sum_{k=1}^n k
$$

```python
def f(x):
    return x
```
"""
PIECES = [f"word{n} é😀 " for n in range(60)] + ["[1]."]
QUESTION = "How do I install the compass?"


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as provider:
        provider.pieces, provider.piece_s, provider.continues = PIECES, 0.02, True
        yield provider


@pytest.fixture(scope="module")
def site() -> Iterator[WebSite]:
    with web_site() as site:
        yield site


@pytest.fixture(scope="module")
def engines() -> Iterator[SearchEngines]:
    with search_engines() as engines:
        yield engines


@pytest.fixture(scope="module")
def stack(provider: FakeProvider, site: WebSite, engines: SearchEngines) -> Iterator[RunningStack]:
    """A stack whose first model can't be reached; the web is the site, by a proxy."""
    with temporary_data() as data, running_tunnels(int(site.origin.rpartition(":")[2])) as tunnels:
        settings = {"CHAT_MODELS": "openai_compatible:down,openai:fake", "OPENAI_BASE_URL": f"{provider.url}/v1"}
        settings |= {"OPENAI_COMPATIBLE_BASE_URL": "http://127.0.0.1:9/v1", "FETCH_PROXY": tunnels.url}
        settings |= {"SEARXNG_URL": f"{engines.url}/searxng/", "CHAT_TITLES": "false"}
        (data / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        with running_stack(data, "--embedding-model", "constant") as running:
            yield running


def socket(stack: RunningStack, token: str, query: str = "") -> ClientConnection:
    protocols = [Subprotocol("headwater.v1"), Subprotocol(f"headwater.token.{token}")]
    return connect(f"ws://127.0.0.1:{stack.base_port}/ws{query}", subprotocols=protocols, proxy=None)


def read(stack: RunningStack, conversation: str, frames: list[dict[str, Any]], count: int) -> bool:
    """Ask, or resume after the last frame, and read up to `count` frames. Returns True at the answer's end."""
    query = f"?last_id={frames[-1]['id']}" if frames else ""
    with socket(stack, stack.token, query) as connection:
        if not frames:
            message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": QUESTION}]}
            data = {"id": conversation, "messages": [message]}
            connection.send(json.dumps({"id": "q1", "type": "ask", "data": data}))
        while count:
            frame = json.loads(connection.recv(timeout=60))
            assert frame["type"] in ("part", "done", "heartbeat"), frame
            if frame["type"] == "heartbeat" or "/" not in frame["id"]:
                continue
            frames.append(frame)
            count -= 1
            if frame["type"] == "done":
                return True
    return False


@pytest.mark.parametrize("seed", range(8))
def test_answer_cut_at_random_points_is_whole(stack: RunningStack, client: httpx.Client, seed: int) -> None:
    chance = random.Random(seed)
    frames: list[dict[str, Any]] = []
    cuts = 0
    while not read(stack, f"c{seed}", frames, chance.randint(1, 25)):
        cuts += 1
    assert cuts
    assert [frame["id"] for frame in frames] == [f"c{seed}/{n}" for n in range(1, len(frames) + 1)]
    text = "".join(frame["data"]["delta"] for frame in frames[:-1] if frame["data"]["type"] == "text-delta")
    assert text == "".join(PIECES)
    stored = client.get(f"/api/conversations/c{seed}").json()["messages"][-1]
    assert [part["text"] for part in stored["parts"] if part["type"] == "text"] == [text]
    assert stored["metadata"]["state"] == "complete"


def test_clients_of_each_kind_read_the_whole_text_though_an_instance_is_killed(
    stack: RunningStack, client: httpx.Client
) -> None:
    """`python -m bench.resumes` makes 1,000 resumes, and kills both instances again and again."""
    instances = Instances(stack)
    with instances.second() as kill_second, ThreadPoolExecutor(1) as pool:
        trial = Trial(instances, "".join(PIECES), seed=7)
        running = pool.submit(trial.run, resumes=30, answers=9)
        wait_until(lambda: trial.counts["answers"] >= 2 or running.done())
        kill_second()
        instances.end_leases()
        running.result(300)
    assert trial.failures == []
    assert all(trial.counts[f"resumes of {kind}"] for kind in KINDS)


@needs_browser
def test_web_answers_are_shown_as_they_are_written(
    stack: RunningStack,
    client: httpx.Client,
    provider: FakeProvider,
    site: WebSite,
    engines: SearchEngines,
    tmp_path: Path,
) -> None:
    is_over = threading.Event()
    site.find = lambda path: Page("<p>Late", status=404) if path == "/robots.txt" or is_over.wait(300) else Page()
    for n in (6, 7):
        site.pages[f"/p{n}"] = Page(html(n, prose(n)))
    engines.results = [(f"http://93.184.216.3{n}/{path}", "Pump") for n, path in enumerate(("p6", "p7", "slow"))]
    provider.piece_s, provider.wait, provider.wait_after, provider.waits = 0.1, is_over, 10, "Stop this"
    source = client.post("/api/sources", json={"kind": "uploads", "name": "sums", "config": {}}).json()["id"]
    client.put(f"/api/sources/{source}/files", params={"path": "sums.md"}, content=DOCUMENT).raise_for_status()
    documents = f"/api/documents?source_id={source}"
    wait_until(lambda: client.get(documents).json()["documents"])
    document = client.get(documents).json()["documents"][0]["id"]
    try:
        browse("web-answer", tmp_path, stack.url, "-", "".join(PIECES), document, states=5, token=stack.token)
    finally:
        is_over.set()
        provider.piece_s = 0.02


def test_upgrade_with_another_token_is_refused(stack: RunningStack) -> None:
    with pytest.raises(InvalidStatus) as refused, socket(stack, "junk"):
        pass
    assert refused.value.response.status_code == 401


def test_no_log_has_the_token(stack: RunningStack) -> None:
    with socket(stack, stack.token) as connection:
        connection.send(json.dumps({"id": "p1", "type": "ping"}))
        assert json.loads(connection.recv(timeout=60))["type"] == "pong"
    logs = [path for path in (stack.data / "logs").iterdir() if path.is_file()]
    assert [path.name for path in logs if stack.token.encode() in path.read_bytes()] == []
    assert len(logs) > 3
