"""Measure agents: what each turn costs beside LangGraph alone, and the memory of an instance with many agents.

    python -m bench.agents [--agents N] [--turns N] [--rounds N]

One run compares the chat function with LangChain's `create_agent` on LangGraph's checkpointer in memory, on the same
fake provider. A turn is a call of the model and one of a tool. The chat function stores each, and lists documents; the
other's tool returns a constant.
"""

import argparse
import json
import os
import shlex
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psutil
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import SecretStr

from tests.fakes.agent_provider import Script, ScriptedProvider, ToolCall, Turn, scripted_provider
from tests.harness.stacks import RunningStack, running_stack, temporary_data

LIST = ToolCall("list_documents", {})
QUESTION = "Which documents are there?"


def script_of(turns: int) -> Script:
    """Return a model that calls a tool in each turn before the last."""

    def script(messages: list[dict[str, Any]]) -> Turn:
        done = sum(message["role"] == "assistant" for message in messages)
        return "None." if done >= turns - 1 else [LIST]

    return script


def ask_langgraph(provider: ScriptedProvider) -> float:
    """Return the seconds of an answer by LangGraph alone."""

    @tool
    def list_documents() -> str:
        """List the documents."""
        return "No document matches."

    model = ChatOpenAI(model="fake", base_url=f"{provider.url}/v1", api_key=SecretStr("none"), streaming=True)
    agent = create_agent(model, [list_documents], checkpointer=InMemorySaver())
    began = time.monotonic()
    config: Any = {"configurable": {"thread_id": str(began)}, "recursion_limit": 1_000}
    agent.invoke({"messages": [HumanMessage(QUESTION)]}, config)
    return time.monotonic() - began


def ask_headwater(client: httpx.Client, conversation_id: str) -> float:
    """Return the seconds of an answer by an agent."""
    message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": QUESTION}]}
    body = {"id": conversation_id, "mode": "agent", "messages": [message]}
    began, ending = time.monotonic(), ""
    with client.stream("POST", "/api/chat", json=body) as response:
        response.raise_for_status()
        for line in response.iter_lines():
            if line.startswith("data: {"):
                part = json.loads(line.removeprefix("data: "))
                ending = part["type"] if part["type"] in ("finish", "error", "abort") else ending
    if ending != "finish":
        raise RuntimeError(f"The answer ended by {ending}.")
    return time.monotonic() - began


def run(stack: RunningStack, provider: ScriptedProvider, options: argparse.Namespace) -> None:
    """Measure and print."""
    [worker] = psutil.Process(stack.pids["chat"]).children()
    provider.script = script_of(options.turns)
    url = f"http://127.0.0.1:{stack.ports['chat']}"
    limits = httpx.Limits(max_connections=options.agents + 1)
    with httpx.Client(base_url=url, headers=stack.authorization, timeout=600, trust_env=False, limits=limits) as client:
        print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        for _ in range(2):  # imports, connections
            ask_langgraph(provider), ask_headwater(client, f"warm-{time.monotonic_ns()}")
        times: dict[str, list[float]] = {"LangGraph": [], "Headwater": []}
        for n in range(options.rounds):
            times["LangGraph"].append(ask_langgraph(provider))
            times["Headwater"].append(ask_headwater(client, f"one-{n}"))
        turn_ms = {name: statistics.median(each) / options.turns * 1000 for name, each in times.items()}
        for name, ms in turn_ms.items():
            print(f"  {name:<10} {ms:6.1f} ms a turn, one agent at a time, median of {options.rounds}")
        print(f"  added      {turn_ms['Headwater'] - turn_ms['LangGraph']:6.1f} ms a turn")
        before, peak, began = worker.memory_info().rss / 1e6, 0.0, time.monotonic()
        with ThreadPoolExecutor(options.agents) as pool:
            answers = [pool.submit(ask_headwater, client, f"many-{n}") for n in range(options.agents)]
            while not all(answer.done() for answer in answers):
                peak = max(peak, worker.memory_info().rss / 1e6)
                time.sleep(0.1)
        assert all(answer.result() for answer in answers)
    seconds = time.monotonic() - began
    print(f"  {options.agents} agents at once: {seconds:.1f} s, {before:.0f} MB before, {peak:.0f} MB at most")


def main() -> None:
    """Start the servers and measure."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.agents", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--agents", type=int, default=20, help="at once; default: 20")
    parser.add_argument("--turns", type=int, default=20, help="of each answer; default: 20")
    parser.add_argument("--rounds", type=int, default=7, help="answers of each, one after another; default: 7")
    options = parser.parse_args()
    with scripted_provider() as provider, temporary_data() as data:
        data.mkdir()
        settings = {"CHAT_MODEL": "openai:fake", "OPENAI_BASE_URL": f"{provider.url}/v1", "CHAT_TIMEOUT_S": "600"}
        settings |= {"MAX_TICKETS": str(options.agents), "AGENT_STEPS": str(options.turns + 1)}
        (data / ".env").write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items()))
        with running_stack(data, "--embedding-model", "constant") as stack:
            run(stack, provider, options)


if __name__ == "__main__":
    main()
