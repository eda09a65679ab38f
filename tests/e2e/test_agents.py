"""Agents and prompts of a running stack with a scripted model: an agent's answer is whole after the chat function is
killed, and people use agents and prompts in a browser."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.agent_provider import ScriptedProvider, ToolCall, Turn, follow, scripted_provider
from tests.harness.browser import browse, needs_browser
from tests.harness.paths import ROOT
from tests.harness.prompts import CLASSIFY
from tests.harness.stacks import RunningStack, running_stack, temporary_data, wait_until

QUESTION = "How do I install the compass?"
SEARCH = ToolCall("search_knowledge", {"query": QUESTION})
PYTHON = ToolCall("run_python", {"code": "import time; time.sleep(2); open('log', 'a').write('x'); print(6 * 7)"})
TEXT = "Install it with pip [1]; 42."


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedProvider]:
    with scripted_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def stack(provider: ScriptedProvider) -> Iterator[RunningStack]:
    """A stack with short leases and a short watchdog interval, so that it recovers quickly."""
    with temporary_data() as data:
        model = f"CHAT_MODEL=openai:fake\nOPENAI_BASE_URL={provider.url}/v1\nCHAT_TITLES=false\n"
        (data / "agents").mkdir()
        example = (ROOT / "examples" / "agent-support" / "agent_support.py").read_text()
        (data / "agents" / "support.py").write_text(f"{example}\n\nagent = build\n")
        (data / "prompts").mkdir()
        (data / "prompts" / "classify.toml").write_text(CLASSIFY)
        (data / "prompts" / "broken.toml").write_text("prompt = 5")
        folders = f"AGENTS_DIR={data / 'agents'}\nPROMPTS_DIR={data / 'prompts'}\n"
        (data / ".env").write_text(f"{model}LEASE_S=3\nWATCHDOG_S=2\n{folders}")
        with running_stack(data, "--embedding-model", "constant") as running:
            yield running


class Follower:
    """Reads an answer, and resumes it after its last event whenever the connection ends."""

    def __init__(self, client: httpx.Client, conversation: str) -> None:
        self.events: list[tuple[int, Any]] = []
        self._client = client
        self._conversation = conversation
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def kinds(self) -> list[str]:
        return [part["type"] for _, part in self.events]

    def all(self) -> list[tuple[int, Any]]:
        """Wait for the end of the answer, and return its events."""
        self._thread.join(120)
        assert not self._thread.is_alive()
        return self.events

    def _follow(self) -> None:
        message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": QUESTION}]}
        body = {"id": self._conversation, "mode": "agent", "messages": [message]}
        self._read("POST", "/api/chat", json=body)
        while "finish" not in self.kinds():
            last = {"Last-Event-ID": str(self.events[-1][0])} if self.events else {}
            self._read("GET", f"/api/chat/{self._conversation}/stream", headers=last)

    def _read(self, method: str, path: str, **options: Any) -> None:
        number = 0
        try:
            with self._client.stream(method, path, **options) as response:
                for line in response.iter_lines():
                    if line.startswith("id: "):
                        number = int(line.removeprefix("id: "))
                    elif line.startswith("data: {") and number:
                        self.events.append((number, json.loads(line.removeprefix("data: "))))
                        number = 0
        except httpx.TransportError:
            return


@pytest.mark.parametrize("moment", ["model", "tool"])
def test_answer_is_whole_after_the_chat_function_is_killed(
    stack: RunningStack, client: httpx.Client, provider: ScriptedProvider, moment: str
) -> None:
    script, killed = follow([SEARCH], [PYTHON], TEXT), threading.Event()

    def wait_for_kill(messages: list[dict[str, Any]]) -> Turn:
        turn = script(messages)
        if moment == "model" and turn == [PYTHON]:
            killed.wait(60)
        return turn

    provider.requests.clear()
    provider.script = wait_for_kill
    reader = Follower(client, f"c-{moment}")
    if moment == "model":
        wait_until(lambda: len(provider.requests) == 2)
    else:
        wait_until(lambda: reader.kinds().count("tool-input-available") == 2)
    stack.kill("chat")
    killed.set()
    events = reader.all()
    assert [number for number, _ in events] == [*range(1, len(events) + 1)]
    kinds = reader.kinds()
    assert kinds.count("tool-input-available") == kinds.count("tool-output-available") == 2
    assert "".join(part["delta"] for _, part in events if part["type"] == "text-delta") == TEXT
    [_, answer] = client.get(f"/api/conversations/c-{moment}").json()["messages"]
    assert answer["metadata"]["state"] == "complete"
    tools = [part for part in answer["parts"] if part["type"] == "dynamic-tool"]
    assert [tool["toolName"] for tool in tools] == ["search_knowledge", "run_python"]
    assert tools[1]["output"]["text"] == "The command succeeded.\n\n42\n\n\nFiles: log (version 1, 1 bytes)"
    [written] = client.get(f"/api/conversations/c-{moment}/files").json()["files"]
    assert (written["path"], written["version"], written["bytes"]) == ("log", 1, 1), "written once"
    assert len(provider.requests) == (4 if moment == "model" else 3), "only the turn in flight is asked again"


CHART = """
import struct, zlib
def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
rows = b"".join(b"\\0" + bytes(v for x in range(64) for v in (x * 4, y * 8, 128)) for y in range(32))
png = b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 32, 8, 2, 0, 0, 0))
open("chart.png", "wb").write(png + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
open("report.md", "a").write("See chart.png.\\n")
"""


@needs_browser
def test_person_sees_compares_and_downloads_the_files_of_an_agent(
    stack: RunningStack, provider: ScriptedProvider, tmp_path: Path
) -> None:
    write = ToolCall("write_file", {"path": "report.md", "content": "# Report\n"})
    provider.script = follow([write], [ToolCall("run_python", {"code": CHART})], "The chart is in chart.png.")
    browse("agent-files", tmp_path, stack.url, "Draw a chart.", states=8, token=stack.token)


INDEX = '<title>Tides</title><div id="root"></div><script type="module" src="main.jsx"></script>'
TIDES = """
import { useState } from "react"
import { createRoot } from "react-dom/client"
function Tides() {
  const [said, say] = useState("")
  const note = (event) => { event.preventDefault(); say("Noted.") }
  return <form onSubmit={note}><h1>High tide at {6 + 6}</h1><button>Note</button><p>{said}</p></form>
}
createRoot(document.getElementById("root")).render(<Tides />)
"""


@needs_browser
@pytest.mark.skipif(not (ROOT / ".headwater" / "front-end").exists(), reason="scripts/setup.py installs the packages")
def test_person_sees_the_page_that_an_agent_has_built(
    stack: RunningStack, provider: ScriptedProvider, tmp_path: Path
) -> None:
    def write(path: str, content: str) -> ToolCall:
        return ToolCall("write_file", {"path": path, "content": content})

    build = ToolCall("build_page", {})
    first = follow(
        [write("index.html", INDEX), write("main.jsx", TIDES.replace("</h1>", "</h2>"))],
        [build],
        [write("main.jsx", TIDES)],
        [build],
        "The page is built.",
    )
    second = follow([write("main.jsx", TIDES.replace("High", "Low"))], [build], "The page is changed.")
    provider.script = lambda messages: (second if "Show low tide" in json.dumps(messages) else first)(messages)
    browse("page-previews", tmp_path, stack.url, "Make me a page of the tides.", states=6, token=stack.token)


@needs_browser
def test_person_chooses_an_installed_agent(
    stack: RunningStack, client: httpx.Client, provider: ScriptedProvider, tmp_path: Path
) -> None:
    provider.script = follow([ToolCall("refund_order", {"number": "1001"})], "Done.")
    try:
        browse("installed-agents", tmp_path, stack.url, "", states=8, token=stack.token)
    finally:
        client.put("/api/agents", json={"allowed": None}).raise_for_status()


@needs_browser
def test_person_approves_answers_and_rejects_in_the_web_app(
    stack: RunningStack, client: httpx.Client, provider: ScriptedProvider, tmp_path: Path
) -> None:
    first, second = (ToolCall("list_documents", {"path": "**"}, id_) for id_ in ("first", "second"))
    which = ToolCall("ask_user", {"question": "Which compass?", "choices": ["The old one", "The new one"]}, "which")
    provider.requests.clear()
    provider.script = follow([first], [which], [second], "Done.")
    try:
        browse("agent-approvals", tmp_path, stack.url, "", states=8, token=stack.token)
    finally:
        client.patch("/api/chat/tools", json={"approvals": {"list_documents": None}}).raise_for_status()
    told = [message["content"] for message in provider.requests[3]["messages"] if message["role"] == "tool"]
    assert told[0].startswith('(The person has changed the arguments to {"path":"guides/**"}.)')
    assert told[1] == "The new one"
    assert told[2].endswith("The person's reason: Once is enough.")


@needs_browser
def test_person_calls_a_prompt_in_the_web_app(stack: RunningStack, provider: ScriptedProvider, tmp_path: Path) -> None:
    def sort(messages: list[dict[str, Any]]) -> Turn:
        kind = "praise" if ": ? " in messages[1]["content"] else "refund"
        return json.dumps({"value": {"kind": kind, "urgent": True}})

    provider.script = sort
    browse("prompts", tmp_path, stack.url, "", states=8, token=stack.token)
