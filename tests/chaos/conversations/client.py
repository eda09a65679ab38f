"""A client of one conversation: it asks, follows the event log, leaves at random, comes back, and responds to calls.

It repeats a request that has failed. No event may come twice, and none may be missing.
"""

import json
import random
import time
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec

from functions.chat.streams.message_log import MAX_EVENTS
from functions.chat.streams.message_parts import fold
from functions.chat.streams.ui_message_stream import DONE
from tests.chaos.conversations.world import AgentWorld
from tests.harness.agent_plans import Plan

LIMIT_S = 300.0
"""The longest time of a conversation, many times that of an undisturbed one."""

PAUSE_S = 0.3


class AgentClient:
    """Runs a conversation by its plan. `leaves`: it leaves streams and responds at random, some responses twice."""

    def __init__(self, world: AgentWorld, name: str, plan: Plan, *, leaves: random.Random | None) -> None:
        self.name = name
        self.events: dict[int, str] = {}
        self.problems: list[str] = []
        self.came_back = 0
        self._world = world
        self._plan = plan
        self._leaves = leaves
        self._last = 0
        self._has_asked = False
        self._came_late = False
        self._is_behind = False
        """Whether the log has events that a stream after responses did not begin with."""

    def run(self) -> None:
        """Ask, respond to all calls that wait, and read to the end."""
        until = time.monotonic() + LIMIT_S
        with self._world.client() as client:
            while not self._is_complete():
                if time.monotonic() > until:
                    self.problems.append(f"it has not ended in {LIMIT_S:g} s: {self.events.get(self._last)}")
                    return
                try:
                    self._go_on(client)
                except httpx.HTTPError:
                    time.sleep(PAUSE_S)
        self._check()

    def _is_complete(self) -> bool:
        return self._came_late or (self._last > 0 and self.events[self._last] == DONE)

    def _go_on(self, client: httpx.Client) -> None:
        """Send the next request and read what it streams."""
        if not self._has_asked:
            self._ask(client)
        elif not self._is_behind and (waiting := self._waiting()):
            self._respond(client, waiting)
        else:
            headers = {"Last-Event-ID": str(self._last)} if self._last else {}
            self.came_back += 1
            self._is_behind = False
            if self._stream(client, "GET", f"/api/chat/{self.name}/stream", headers=headers) == 204 and not self._last:
                # The request that asked the question got no response, and the answer has ended since.
                messages = client.get(f"/api/conversations/{self.name}").raise_for_status().json()["messages"]
                self._came_late = messages[-1]["role"] == "assistant"

    def _ask(self, client: httpx.Client) -> None:
        """Ask the question, unless an earlier request has stored it."""
        found = client.get(f"/api/conversations/{self.name}")
        if found.status_code != 404:
            found.raise_for_status()  # such as 503 while Postgres starts
            self._has_asked = True
            return
        message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": f"Question of {self.name}"}]}
        self._stream(client, "POST", "/api/chat", json={"id": self.name, "mode": "agent", "messages": [message]})

    def _respond(self, client: httpx.Client, waiting: list[str]) -> None:
        """Respond to some of the calls that wait, as a person does who clicks twice."""
        chosen = self._leaves.sample(waiting, self._leaves.randint(1, len(waiting))) if self._leaves else waiting
        parts = [self._plan.responses[id_] for id_ in chosen]
        body = {"id": self.name, "messages": [{"id": "", "role": "assistant", "parts": parts}]}
        for _ in range(1 + bool(self._leaves and self._leaves.random() < 0.3)):
            self._stream(client, "POST", "/api/chat", json=body)

    def _stream(self, client: httpx.Client, method: str, path: str, **options: Any) -> int:
        """Read a response, to its end or to a random event. Returns the status."""
        leave_after = self._leaves.randint(1, 60) if self._leaves and self._leaves.random() < 0.5 else 1_000_000
        with client.stream(method, path, **options) as response:
            if response.status_code == 200:
                self._has_asked = True
                for count, (id_, data) in enumerate(_events(response)):
                    if id_ and not self._add(id_, data, may_repeat=method == "POST"):
                        break
                    if count >= leave_after:
                        break
            else:
                time.sleep(PAUSE_S)
            return response.status_code

    def _add(self, id_: int, data: str, *, may_repeat: bool) -> bool:
        """Add the next event. Returns False if the stream begins too late for what the client has.

        `may_repeat`: the stream begins where the responses are in the log, whatever the client has read.
        """
        is_first = id_ % MAX_EVENTS == 1
        is_new_writing = self._last > 0 and (id_ - 1) // MAX_EVENTS > (self._last - 1) // MAX_EVENTS
        if is_new_writing and (is_first or not may_repeat):
            self.events.clear()  # the answer is written anew, with numbers above all earlier ones
            if not is_first:
                self.problems.append(f"event {id_} began a writing")
        elif may_repeat and self.events.get(id_) == data:
            return True
        elif may_repeat and self._last and id_ > self._last + 1:
            self._is_behind = True
            return False
        elif id_ != self._last + 1 and not (is_first and not self._last):
            self.problems.append(f"event {id_} came after {self._last}")
        self.events[id_] = data
        self._last = id_
        return True

    def _waiting(self) -> list[str]:
        """Return the calls that wait for the person, as far as it has read the log."""
        waiting: dict[str, None] = {}
        for data in self.events.values():
            part = json.loads(data) if data.startswith("{") else {}
            id_ = str(part.get("toolCallId") or part.get("approvalId"))
            match part.get("type"):
                case "tool-approval-request":
                    waiting[id_] = None
                case "tool-input-available" if part["toolName"] == "ask_user":
                    waiting[id_] = None
                case "tool-approval-response" | "tool-output-available" | "tool-output-error" | "tool-output-denied":
                    waiting.pop(id_, None)
        return [id_ for id_ in waiting if id_ in self._plan.responses]

    def _check(self) -> None:
        """Compare what was read with the stored message."""
        stored = self._world.rows(
            "select parts::text from headwater.messages where conversation_id like %s and role = 'assistant'",
            f"%{self.name}",
        )
        if self._came_late:
            return
        ids = sorted(self.events)
        if ids != [*range(ids[0], ids[0] + len(ids))] or ids[0] % MAX_EVENTS != 1:
            self.problems.append("events are missing")
        try:
            parts = fold(self.events[id_] for id_ in ids)
        except KeyError as error:
            self.problems.append(f"an event has no beginning: {error}")
            return
        folded = msgspec.json.decode(msgspec.json.encode(parts))
        if len(stored) != 1:
            self.problems.append(f"{len(stored)} answers")
        elif json.loads(stored[0][0]) != folded:
            self.problems.append("the client has other parts than the stored message")


def _events(response: httpx.Response) -> Iterator[tuple[int, str]]:
    """Yield the ids (0 for none) and data of server-sent events."""
    id_ = 0
    for line in response.iter_lines():
        if line.startswith("id: "):
            id_ = int(line[4:])
        elif line.startswith("data: "):
            yield id_, line[6:]
            id_ = 0
