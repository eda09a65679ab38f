"""Make a graph from an author's object: a graph, its builder, a runnable, or a function. Imports LangGraph."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_type_hints

from langchain_core.language_models import BaseLanguageModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import Runnable
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import MessagesState, StateGraph
from langgraph.pregel import Pregel
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore

from headwater.agents import chat_model, workspace_tools
from headwater.agents.messages import Turn
from headwater.errors import PermanentError

_QUESTION_FIELDS = ("question", "query", "input")
_ANSWER_FIELDS = ("answer", "output", "result", "response")

Graph = Any
"""A compiled graph of LangGraph. Its type has four variables, which are the author's."""


async def compile_graph(target: Any, checkpoints: BaseCheckpointSaver[Any], store: BaseStore) -> Graph:
    """Return a compiled graph with our checkpoints and, unless it has one that lasts, our store.

    Raises PermanentError if it is not an agent.
    """
    if not isinstance(target, Runnable) and not hasattr(target, "compile"):
        if not callable(target):
            raise PermanentError(
                f"The agent is of the type {type(target).__name__}, not a LangGraph graph or LangChain runnable."
            )
        target = target(**_arguments(target))
        if inspect.isawaitable(target):
            target = await target
    if isinstance(target, Pregel):
        if target.interrupt_before_nodes or target.interrupt_after_nodes:
            raise PermanentError("interrupt_before and interrupt_after aren't supported. Call interrupt() in the node.")
        own = target.store
        kept = store if own is None or isinstance(own, InMemoryStore) else own
        return target.copy({"checkpointer": checkpoints, "store": kept})
    if isinstance(target, StateGraph):
        return target.compile(checkpointer=checkpoints, store=store)
    if isinstance(target, Runnable):
        return _graph_of(target).compile(checkpointer=checkpoints, store=store)
    raise PermanentError(
        f"The agent is of the type {type(target).__name__}, not a LangGraph graph or LangChain runnable."
    )


def first_input(graph: Graph, turns: Sequence[Turn]) -> dict[str, Any]:
    """Return a graph's input: the conversation's messages, or the question if its state has no messages."""
    messages = _to_messages(turns)
    builder = getattr(graph, "builder", None)
    names = _fields(builder.input_schema) if builder is not None else {"messages"}
    if "messages" in names:
        return {"messages": messages}
    given = {name: turns[-1].text for name in _QUESTION_FIELDS if name in names}
    if not given:
        raise PermanentError("The graph's input has none of the fields messages, question, query and input.")
    return {**given, **({"chat_history": messages[:-1]} if "chat_history" in names else {})}


def kept_state(graph: Graph, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the last answer's state that the graph's input has, besides the conversation."""
    builder = getattr(graph, "builder", None)
    names = _fields(builder.input_schema) if builder is not None else set()
    return {name: value for name, value in values.items() if name in names}


def context_of(graph: Graph) -> dict[str, Any] | None:
    """Return the context of a run: its schema's defaults, None for a graph without a schema."""
    return None if getattr(graph, "context_schema", None) is None else {}


def last_answer(values: Any) -> str:
    """Return the answer of a graph without messages: a text, or that of a field."""
    if isinstance(values, dict):
        values = next((values[name] for name in _ANSWER_FIELDS if values.get(name)), "")
    return str(values.text) if isinstance(values, BaseMessage) else values if isinstance(values, str) else ""


def _arguments(function: Any) -> dict[str, Any]:
    """Return what a function asks for by the names of its parameters: the model, the tools."""
    given: dict[str, Callable[[], Any]] = {"model": chat_model, "tools": workspace_tools, "config": dict}
    parameters = inspect.signature(function).parameters.values()
    wanted = [each for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    if unknown := [each.name for each in wanted if each.name not in given and each.default is each.empty]:
        raise PermanentError(f"The agent's function has a parameter {unknown[0]!r}. It may have: model, tools, config.")
    return {each.name: given[each.name]() for each in wanted if each.name in given}


def _graph_of(runnable: Runnable[Any, Any]) -> StateGraph[Any, Any, Any, Any]:
    """Return a graph whose only node is a runnable."""

    async def answer(state: MessagesState) -> dict[str, Any]:
        result = await runnable.ainvoke(_input_of(runnable, state["messages"]))
        if isinstance(result, BaseMessage):
            return {"messages": [AIMessage(result.text) if not isinstance(result, AIMessage) else result]}
        return {"messages": [AIMessage(last_answer(result) or str(result))]}

    builder = StateGraph(MessagesState)
    builder.add_node("agent", answer)
    builder.set_entry_point("agent")
    return builder


def _input_of(runnable: Runnable[Any, Any], messages: Sequence[Any]) -> Any:
    """Return a runnable's input: messages for a model, and names for the variables of a prompt."""
    if isinstance(runnable, BaseLanguageModel):
        return messages
    question = str(messages[-1].text)
    return {
        "messages": messages,
        "chat_history": messages[:-1],
        **dict.fromkeys(_QUESTION_FIELDS, question),
    }


def _fields(schema: Any) -> set[str]:
    try:
        return set(get_type_hints(schema))
    except Exception:  # noqa: BLE001 - annotations of the author's, which may name anything
        return set(getattr(schema, "__annotations__", {}))


def _to_messages(turns: Sequence[Turn]) -> list[BaseMessage]:
    """Return LangChain's messages, with ids by which they are known again."""
    kinds = {"user": HumanMessage, "assistant": AIMessage}
    return [kinds[turn.role](turn.text, id=f"conversation-{n}") for n, turn in enumerate(turns)]
