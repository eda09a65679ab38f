"""Turn interrupts of a graph into questions to the person, and the answers into values for the nodes."""

import json
from collections.abc import Sequence
from typing import Any

from headwater.agents.connection import Connection
from headwater.agents.messages import AskPerson, PersonAnswer, plain_json, storable
from headwater.agents.tools import CALL_WAITS

ASK_USER = "ask_user"
MAX_QUESTION_CHARS = 2_000
MAX_CHOICES = 10
MAX_CHOICE_CHARS = 200


def answers_of(connection: Connection, interrupts: Sequence[Any]) -> tuple[dict[str, Any], bool]:
    """Ask the person the questions that were not asked yet.

    Returns the answers by the interrupts' ids, and whether to continue. The graph continues if there is an answer, or
    if a call of a tool has waited, which is made again.
    """
    answers, may_go_on = {}, not interrupts
    for interrupt in interrupts:
        if interrupt.value == CALL_WAITS:
            may_go_on = True
            continue
        answer = _ask(connection, interrupt)
        if answer is not None:
            answers[interrupt.id] = answer
    return answers, may_go_on or bool(answers)


def _ask(connection: Connection, interrupt: Any) -> Any:
    """Return what an interrupt is resumed with; None if the person has not answered."""
    actions = _actions(interrupt.value)
    if not actions:
        call = AskPerson(f"question_{interrupt.id}", ASK_USER, question_of(interrupt.value), is_approval=False)
        answer: PersonAnswer | None = connection.request(call, PersonAnswer | None)
        return None if answer is None else answer.text
    decisions: list[tuple[str, PersonAnswer | None]] = []
    for n, action in enumerate(actions):
        name, given = str(action["name"]), plain_json(dict(action.get("args") or {}))
        call = AskPerson(f"approval_{interrupt.id}_{n}", name, given, is_approval=True)
        decisions.append((name, connection.request(call, PersonAnswer | None)))
    if any(answer is None for _, answer in decisions):
        return None
    decided = [_decision(name, answer) for name, answer in decisions]
    return {"decisions": decided} if "action_requests" in interrupt.value else decided[0]


def question_of(value: Any) -> dict[str, Any]:
    """Return the arguments of `ask_user` for the value of an interrupt: a text, or a dict with a question."""
    choices: list[str] = []
    if isinstance(value, dict):
        text = next((value[name] for name in ("question", "message", "prompt", "query") if value.get(name)), None)
        choices = [str(each)[:MAX_CHOICE_CHARS] for each in value.get("choices") or value.get("options") or ()]
        value = text if isinstance(text, str) else json.dumps(value, default=str, ensure_ascii=False, indent=1)
    text = storable(str(value)).strip() or "May the agent go on?"
    question = text if len(text) <= MAX_QUESTION_CHARS else text[: MAX_QUESTION_CHARS - 1] + "…"
    return {"question": question, "choices": [choice for choice in choices if choice][:MAX_CHOICES]}


def _actions(value: Any) -> list[dict[str, Any]]:
    """Return the calls that LangChain's HumanInTheLoopMiddleware asks about, in either of its modes."""
    if not isinstance(value, dict):
        return []
    actions = [value] if value.get("type") == "tool_approval" else value.get("action_requests")
    is_known = isinstance(actions, list) and all(isinstance(each, dict) and "name" in each for each in actions)
    return [*actions] if is_known and actions else []


def _decision(name: str, answer: PersonAnswer | None) -> dict[str, Any]:
    assert answer
    if not answer.is_approved:
        return {"type": "reject", "message": answer.text}
    if answer.input is not None:
        return {"type": "edit", "edited_action": {"name": name, "args": answer.input}}
    return {"type": "approve"}
