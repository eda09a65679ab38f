"""Random conversations with agents: what the model says in each turn, and what the person responds.

A plan follows from a seed and the conversation's name. The model's next turn follows from the messages of its request.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from functions.chat.agents.sub_agents import INSTRUCTIONS
from tests.fakes.agent_provider import Script, ToolCall, Turn
from tests.harness.agents import QUESTION, approval, reply

CallMaker = Callable[[random.Random, str], ToolCall]
"""Makes a call with an id, of a tool that only some trials have."""


class Plan(NamedTuple):
    """What a model says in its turns, what sub-agents say to their tasks, and the responses of the person."""

    turns: list[Turn]
    of_sub_agents: dict[str, list[Turn]]
    responses: dict[str, dict[str, Any]]


def make_plan(random_: random.Random, name: str, others: Sequence[CallMaker] = ()) -> Plan:
    """Return a plan with all kinds of calls, in one to three turns and a last one with text."""
    plan = Plan([], {}, {})
    for turn in range(random_.randint(1, 3)):
        calls = [_make_call(random_, plan, name, f"{turn}-{n}", others) for n in range(random_.randint(1, 4))]
        plan.turns.append(calls)
    plan.turns.append(f"Done with {len(plan.turns)} turns.")
    return plan


def _make_call(random_: random.Random, plan: Plan, name: str, id_: str, others: Sequence[CallMaker]) -> ToolCall:
    kind = random_.randrange(9 + len(others))
    match kind:
        case 0 | 1:
            path = f"notes-{id_.partition('-')[2]}.md"
            return ToolCall("write_file", {"path": path, "content": f"Written by {id_}."}, id_)
        case 2:
            return ToolCall("search_knowledge", {"query": QUESTION}, id_)
        case 3:
            return ToolCall("no_such_tool", {}, id_)
        case 4 | 5:
            choices = [approval(id_), approval(id_, approved=False, reason="No."), approval(id_, input={"text": "pip"})]
            plan.responses[id_] = random_.choice(choices)
            return ToolCall("grep_documents", {"text": "north"}, id_)
        case 6:
            plan.responses[id_] = reply(id_, f"Answer to {id_}.")
            return ToolCall("ask_user", {"question": "Which one?"}, id_)
        case 7:
            task = f"Task {id_} of {name}."
            search, listing = ToolCall("search_knowledge", {"query": QUESTION}), ToolCall("list_documents", {})
            plan.of_sub_agents[task] = [[search, listing], f"Report {id_}."]
            return ToolCall("delegate", {"task": task}, id_)
        case 8:
            return ToolCall("list_documents", {"path": 5}, id_)  # not a text
        case _:
            return others[kind - 9](random_, id_)


def script_of(plans: Mapping[str, Plan]) -> Script:
    """Return the script of a model that follows the plan of the conversation that a request is of."""

    def script(messages: list[dict[str, Any]]) -> Turn:
        asked = str(messages[1]["content"])
        done = sum(message["role"] == "assistant" for message in messages)
        if str(messages[0]["content"]).endswith(INSTRUCTIONS):
            turns = next(plan.of_sub_agents[asked] for plan in plans.values() if asked in plan.of_sub_agents)
        else:
            turns = plans[asked.removeprefix("Question of ")].turns
        turn: Turn = turns[done]
        return turn

    return script


def normalize(value: Any, name: str) -> Any:
    """Replace the numbers of passages and the conversation's name in all texts."""
    if isinstance(value, str):
        return re.sub(r"\[\d+\]", "[n]", value.replace(name, "NAME"))
    if isinstance(value, dict):
        return {key: normalize(item, name) for key, item in value.items()}
    return [normalize(item, name) for item in value] if isinstance(value, list | tuple) else value
