"""Run conversations with agents, undisturbed and under faults, and compare what has become of them."""

import random
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from functions.chat.agents.calls import INTERRUPTED
from tests.chaos.conversations.client import AgentClient
from tests.chaos.conversations.world import AgentWorld
from tests.fakes.agent_provider import Script, ToolCall, Turn, results
from tests.harness.agent_plans import Plan, make_plan, normalize, script_of

SANDBOX_FAILED = "The connection to the sandbox failed"
AGAIN = "-again"
"""Ends the ids of calls that the model makes again, as the tool's error asks it to."""


@dataclass
class Outcome:
    """What has become of a conversation: `contents`, equal in each run; and the calls that a fault has cut off."""

    contents: dict[str, Any]
    problems: list[str]
    came_back: int
    interrupted: set[str] = field(default_factory=set)
    repeated: int = 0


def plans_of(seeds: Sequence[int], prefix: str, url: str) -> dict[str, Plan]:
    """Return the plans of conversations by their names. `url`: the service for orders."""

    def order(random_: random.Random, id_: str) -> ToolCall:
        return ToolCall("place_order", {"item": f"item {random_.randrange(100)}", "url": url}, id_)

    def program(random_: random.Random, id_: str) -> ToolCall:
        path = f"made-{id_.partition('-')[2]}.txt"
        code = f"import time; time.sleep(0.5); open({path!r}, 'w').write('{random_.randrange(100)}\\n'); print('made')"
        return ToolCall("run_python", {"code": code}, id_)

    makers = [order, program, order, program]
    return {f"{prefix}-{seed}": make_plan(random.Random(seed), f"{prefix}-{seed}", makers) for seed in seeds}


def patient(script: Script) -> Script:
    """Return the script of a model that makes a call again if the sandbox has failed and asks for that."""

    def repeat(messages: list[dict[str, Any]]) -> Turn:
        said = [message for message in messages if message["role"] == "assistant"]
        calls = {call["id"]: call["function"] for message in said for call in message.get("tool_calls") or ()}
        last = messages[max((n for n, each in enumerate(messages) if each["role"] == "assistant"), default=0) + 1 :]
        failed = [
            each["tool_call_id"]
            for each in last
            if each["role"] == "tool" and str(each["content"]).startswith(SANDBOX_FAILED)
        ]
        if failed:
            return [ToolCall(calls[id_]["name"], calls[id_]["arguments"], f"{id_}{AGAIN}") for id_ in failed]
        kept = [message for message in messages if not _is_repetition(message)]
        return script(kept)

    return repeat


def _is_repetition(message: Mapping[str, Any]) -> bool:
    return any(call["id"].endswith(AGAIN) for call in message.get("tool_calls") or ())


def run_all(world: AgentWorld, plans: Mapping[str, Plan], *, at_once: int, leaves: bool) -> dict[str, Outcome]:
    """Run conversations, some at a time. Returns their outcomes by name."""
    world.provider.requests.clear()
    world.provider.script = patient(script_of(plans))

    def run(name: str) -> AgentClient:
        client = AgentClient(world, name, plans[name], leaves=random.Random(f"leaves {name}") if leaves else None)
        client.run()
        return client

    with ThreadPoolExecutor(at_once) as pool:
        clients = list(pool.map(run, plans))
    return {client.name: _outcome(world, client) for client in clients}


def _outcome(world: AgentWorld, client: AgentClient) -> Outcome:
    """Return what has become of a conversation, without ids, times, numbers of passages and names."""
    name, problems = client.name, [*client.problems]
    messages = world.until(lambda http: http.get(f"/api/conversations/{name}").raise_for_status().json()["messages"])
    answer = messages[-1]
    interrupted, calls, repeated = set(), [], 0
    for part in answer["parts"]:
        if part["type"] != "dynamic-tool":
            continue
        error = part.get("errorText") or ""
        if error.startswith(SANDBOX_FAILED):
            repeated += 1
            continue
        is_interrupted = error == INTERRUPTED and part["toolName"] == "place_order"
        call_id = part["toolCallId"].replace(AGAIN, "")
        interrupted |= {call_id} if is_interrupted else set()
        output = part.get("output") and part["output"]["text"]
        id_ = call_id if re.fullmatch(r"\d-\d", call_id) else "of a sub-agent"
        calls.append([id_, part["toolName"], part["state"], part["input"], output, error])
    files = world.rows(
        """select path, version, encode(sha256, 'hex') from headwater.file_versions
        where conversation_id like %s order by path, version""",
        f"%{name}",
    )
    id_ = str(answer["id"])
    placed = {key.partition("/")[2]: item for key, item in world.orders.orders.items() if key.startswith(f"{id_}/")}
    for key, count in world.orders.requests_of.items():
        if key.startswith(f"{id_}/") and count > 1:
            problems.append(f"the order {key} was sent {count} times")
    told = [each for each in world.provider.requests if each["messages"][1]["content"] == f"Question of {name}"]
    contents = {
        "messages": [message["role"] for message in messages],
        "text": [part["text"] for part in answer["parts"] if part["type"] == "text"],
        "state": answer["metadata"]["state"],
        "calls": sorted(calls, key=str),
        "passages": sorted(
            [part["title"], part["filename"]] for part in answer["parts"] if part["type"] == "source-document"
        ),
        "told": sorted(text for text in results(told[-1]) if not text.startswith(SANDBOX_FAILED)),
        "files": files,
        "orders": placed,
    }
    return Outcome(normalize(contents, name), problems, client.came_back, interrupted, repeated)


def compare(calm: Outcome, disturbed: Outcome) -> list[str]:
    """Return the differences. A call with side effects that was cut off may have had its effect, once, or not."""
    differences = [*disturbed.problems]
    expected, found = dict(calm.contents), dict(disturbed.contents)
    if disturbed.interrupted:
        outputs = [each[4] or each[5] for each in expected["calls"] if each[0] in disturbed.interrupted]
        expected["told"] = _without(expected["told"], outputs)
        found["told"] = _without(found["told"], [INTERRUPTED] * len(outputs))
        for side in (expected, found):
            side["calls"] = [each for each in side["calls"] if each[0] not in disturbed.interrupted]
            side["orders"] = {key: item for key, item in side["orders"].items() if key not in disturbed.interrupted}
    for name, value in expected.items():
        if found[name] != value:
            differences.append(f"{name}: {str(found[name])[:1500]} instead of {str(value)[:1500]}")
    return differences


def _without(texts: Sequence[str], removed: Sequence[str]) -> list[str]:
    left = [*texts]
    for text in removed:
        left.remove(text)
    return left
