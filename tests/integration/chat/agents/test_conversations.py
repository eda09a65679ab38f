"""Random conversations with agents whose steps are killed again and again: they end as undisturbed ones do.

Each has parallel calls, failing calls, files, approvals, questions to the person and sub-agents. All 200:

    HEADWATER_FULL=1 python -m pytest tests/integration/chat/agents/test_conversations.py

`python -m tests.chaos.conversations` kills the processes of a whole stack instead.
"""

import os
import random
import time
from typing import Any

from werkzeug.test import TestResponse

from functions.chat.streams.message_log import MAX_EVENTS
from functions.chat.streams.ui_message_stream import DONE
from tests.fakes.agent_provider import ScriptedProvider, results
from tests.harness.agent_plans import Plan, make_plan, normalize, script_of
from tests.harness.agents import assert_nothing_is_open, readers
from tests.harness.chat_app import ChatApp, StreamEvent, parse_events
from tests.harness.kill_switch import Killed, KillSwitch, take_back
from tests.integration.chat.streams.test_resume import BackgroundReader

SEEDS = range(200) if "HEADWATER_FULL" in os.environ else (3, 7, 11, 19)
DEADLINE_S = 300.0


class Conversation:
    """One conversation by a plan. With `deaths`, steps are killed before random commits."""

    def __init__(self, chat: ChatApp, name: str, plan: Plan, deaths: random.Random | None) -> None:
        self.chat = chat
        self.name = name
        self.plan = plan
        self.deaths = deaths
        self.events: dict[int, Any] = {}
        self.killed = 0
        self._streams: list[tuple[BackgroundReader, TestResponse]] = []

    def run(self) -> None:
        """Ask, respond to all calls that wait, and read to the end."""
        self._read(self.chat.post(self.name, f"Question of {self.name}", mode="agent"))
        deadline = time.monotonic() + DEADLINE_S
        while self._is_open():
            assert time.monotonic() < deadline, self.chat.rows("select state, kind, attempt from steps")
            self._drain()
            self._respond()
        for reader, response in self._streams:
            self._add(reader.all())
            readers.remove(reader)
            response.close()
        if self.events[max(self.events)] != DONE:
            # The log began again, and each client was told to reconnect.
            self._add(self.resume(max(self.events)))

    def _is_open(self) -> bool:
        return self.chat.rows("select count(*) from agents") != [(0,)]

    def _drain(self) -> None:
        switch = None
        if self.deaths and self.deaths.random() < 0.8:
            switch = KillSwitch(self.chat.database, self.deaths.randint(1, 20))
        try:
            self.chat.drain()
        except Killed:
            self.killed += 1
        finally:
            if switch:
                switch.remove()
        take_back(self.chat.database)
        self.chat.rows("update steps set not_before = now() where state = 'ready'")

    def _respond(self) -> None:
        """Respond to some of the calls that wait, as a person does who clicks twice."""
        if self.chat.rows("select 1 from messages where state = 'streaming' and waiting_since is null"):
            return
        waiting = [id_ for (id_,) in self.chat.rows("select id from agent_calls where state <> 'running' order by id")]
        if not waiting:
            return
        some = self.deaths.sample(waiting, self.deaths.randint(1, len(waiting))) if self.deaths else waiting
        message = {"id": "", "role": "assistant", "parts": [self.plan.responses[id_] for id_ in some]}
        for _ in range(2 if self.deaths else 1):
            self._read(self.chat.client.post("/api/chat", json={"id": self.name, "messages": [message]}))

    def _read(self, response: TestResponse) -> None:
        reader = BackgroundReader(response)
        readers.append(reader)
        self._streams.append((reader, response))

    def _add(self, events: list[StreamEvent]) -> None:
        for id_, part in events:
            if id_:
                known = self.events.setdefault(id_, part)
                assert known == part, self.name
        writing = max(self.events) // MAX_EVENTS
        self.events = {id_: part for id_, part in self.events.items() if id_ // MAX_EVENTS == writing}

    def resume(self, after: int) -> list[StreamEvent]:
        """Return what a client gets that has lost its connection after an event."""
        headers = {"Last-Event-ID": str(after)}
        with self.chat.client.get(f"/api/chat/{self.name}/stream", headers=headers) as response:
            return parse_events(response.data)


def outcome(conversation: Conversation, provider: ScriptedProvider) -> dict[str, Any]:
    """Return what has become of a conversation, without times, numbers of passages and names."""
    chat, name = conversation.chat, conversation.name
    answer = chat.messages(name)[-1]
    calls = [
        [
            part["toolName"],
            part["state"],
            part["input"],
            part.get("output") and part["output"]["text"],
            part["errorText"],
        ]
        for part in answer["parts"]
        if part["type"] == "dynamic-tool"
    ]
    files = chat.rows(
        """select path, version, encode(sha256, 'hex') from file_versions
        where conversation_id like '%' || :name order by path, version""",
        name=name,
    )
    told = [request for request in provider.requests if f"Question of {name}" in str(request["messages"][1]["content"])]
    found = {
        "text": [part["text"] for part in answer["parts"] if part["type"] == "text"],
        "state": answer["metadata"]["state"],
        "calls": sorted(map(str, calls)),
        "passages": len([part for part in answer["parts"] if part["type"] == "source-document"]),
        "told": results(told[-1]),
        "files": files,
    }
    normalized: dict[str, Any] = normalize(found, name)
    return normalized


def test_conversations_under_kills_end_as_undisturbed_ones(chat: ChatApp, provider: ScriptedProvider) -> None:
    chat.client.patch("/api/chat/tools", json={"approvals": {"grep_documents": "always"}})
    killed = 0
    for seed in SEEDS:
        plans = {name: make_plan(random.Random(seed), name) for name in (f"calm-{seed}", f"killed-{seed}")}
        provider.requests.clear()
        provider.script = script_of(plans)
        found = []
        for name, plan in plans.items():
            deaths = random.Random(seed) if name.startswith("killed") else None
            conversation = Conversation(chat, name, plan, deaths)
            conversation.run()
            assert_nothing_is_open(chat)
            found.append(outcome(conversation, provider))
            ids = sorted(conversation.events)
            assert ids == [*range(ids[0], ids[0] + len(ids))], seed
            assert ids[0] % MAX_EVENTS == 1, "from the first event of a writing"
            cut = random.Random(seed).choice(ids[:-1])
            resumed = {id_: part for id_, part in conversation.resume(cut) if id_}
            assert resumed == {id_: part for id_, part in conversation.events.items() if id_ > cut}, seed
            killed += conversation.killed
        assert found[0] == found[1], seed
    assert killed >= len(SEEDS)
