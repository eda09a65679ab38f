"""A WebSocket client of the running stack: answers of a slow model that are cut at random points and resumed."""

import json
import random
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.fakes.chat_provider import FakeProvider, fake_provider
from tests.harness.stacks import RunningStack, running_stack, temporary_data

PIECES = [f"word{n} é😀 " for n in range(60)] + ["[1]."]
QUESTION = "How do I install the compass?"


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as provider:
        provider.pieces, provider.piece_s = PIECES, 0.02
        yield provider


@pytest.fixture(scope="module")
def stack(provider: FakeProvider) -> Iterator[RunningStack]:
    with temporary_data() as data:
        data.mkdir(parents=True)
        (data / ".env").write_text(f"CHAT_MODEL=openai:fake\nOPENAI_BASE_URL={provider.url}/v1\n")
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
