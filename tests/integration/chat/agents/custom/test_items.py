"""What agents remember beyond a conversation: the same as LangGraph's own store does, per person, within limits."""

import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from langgraph.store.base import GetOp, InvalidNamespaceError, Item, ListNamespacesOp, MatchCondition, PutOp, SearchOp
from langgraph.store.memory import InMemoryStore

from functions.chat.agents.custom import items
from functions.chat.agents.store import Agent, Task
from functions.chat.streams.message_log import AnswerKey
from functions.collection.runs.retention import sweep
from headwater.agents.connection import Connection
from headwater.agents.items import Found
from headwater.agents.messages import Request
from headwater.agents.stores import RemoteStore
from headwater.database.transactions import Database
from headwater.errors import UnprocessableContent
from headwater.usage.record import Payer
from tests.fakes.agent_provider import ScriptedProvider
from tests.harness.agents import answer_of, ask, close_readers
from tests.harness.chat_app import ChatApp, message_text
from tests.harness.databases import FreshDatabase, connected
from tests.harness.support import WORKSPACE, add_workspace, settings_for

PEOPLE = ("memories", "ann"), ("memories", "bob", "old"), ("cache", "v1")


class _Parent(Connection):
    """Runs requests at once, in their form on the wire, for a person and an agent."""

    def __init__(self, database: Database, subject: str, agent: str, workspace_id: uuid.UUID) -> None:
        """Needs no process."""
        task = Task([], "", subject, "reader", Payer(workspace_id), "", None, agent=agent)
        self._agent = Agent(AnswerKey(workspace_id, "c1", uuid.uuid4()), 1, task, 0)
        self._database = database

    def request(self, call: Any, kind: Any) -> Any:
        """Answer a request for operations of the store."""
        sent = msgspec.msgpack.decode(msgspec.msgpack.encode(Request(1, call)), type=Request)
        with self._database.transaction(self._agent.answer.workspace_id) as tx:
            found: list[Found] = items.run(tx, self._agent, cast(Any, sent.call).operations)
        return msgspec.msgpack.decode(msgspec.msgpack.encode(found), type=kind)


Make = Callable[..., RemoteStore]


@pytest.fixture(scope="module")
def module_store(module_database: FreshDatabase) -> Iterable[Database]:
    with connected(module_database.url) as database:
        add_workspace(database)
        yield database


@pytest.fixture
def make(module_store: Database) -> Make:
    with module_store.transaction(WORKSPACE) as tx:
        tx.exec_driver_sql("delete from agent_items")

    def make(subject: str = "ann", agent: str = "support", workspace_id: uuid.UUID = WORKSPACE) -> RemoteStore:
        return RemoteStore(_Parent(module_store, subject, agent, workspace_id))

    return make


def plain(result: Any) -> Any:
    """Return a result without times."""
    if isinstance(result, Item):
        return result.namespace, result.key, result.value
    return [plain(each) for each in result] if isinstance(result, list) else result


def in_order(result: Any) -> Any:
    return sorted(plain(result), key=repr)


def test_store_does_as_langgraphs_own(make: Make) -> None:
    ours, reference = make(), InMemoryStore()
    values: list[dict[str, Any]] = [
        {"n": 1, "text": "a", "tags": ["x"], "deep": {"a": {"b": 1}, "c": None}},
        {"n": 2.5, "text": "Ä\U0001f600", "none": None, "flag": True},
        {"n": -3, "text": "b", "deep": {"a": {"b": 2}}, "huge": 10**30},
        {},
    ]
    places = [(namespace, f"k{n}") for n, namespace in enumerate(PEOPLE)] + [(("memories", "ann"), "*.%_'\"\\")]
    puts = [PutOp(namespace, key, value) for (namespace, key), value in zip(places, values, strict=True)]
    filters: list[dict[str, Any] | None] = [
        None,
        {"n": 1},
        {"n": {"$eq": 2.5}},
        {"n": {"$ne": 1}},
        {"tags": ["x"]},
        {"tags": ["x", "y"]},
        {"none": None},
        {"flag": True},
        {"deep": {"a": {"b": 2}}},
        {"deep": {"a": {"b": {"$ne": 1}}}},
        {"text": "a", "n": 1},
        {"text": "' or true --"},
    ]
    prefixes: list[tuple[str, ...]] = [(), ("memories",), ("memories", "bob"), ("mem",), ("cache", "v1", "x")]
    for store in (ours, reference):
        assert store.batch([]) == []
        assert store.batch([*puts, GetOp(*places[0])]) == [None] * 5, "reads come before writes"
    for prefix in prefixes:
        for given in filters:
            assert in_order(ours.search(prefix, filter=given)) == in_order(reference.search(prefix, filter=given)), (
                given
            )
    for conditions in (
        (),
        (MatchCondition("prefix", ("memories",)),),
        (MatchCondition("prefix", ("*", "bob")), MatchCondition("suffix", ("old",))),
        (MatchCondition("suffix", ("*", "v1")),),
        (MatchCondition("suffix", ("a", "b", "c", "d")),),
    ):
        for depth in (None, 0, 1, 2):
            op = ListNamespacesOp(conditions, depth, 2, 1)
            assert ours.batch([op]) == reference.batch([op]), op
    for place in (*places, (("memories",), "k0"), (("memories", "ann"), "k1")):
        assert plain(ours.get(*place)) == plain(reference.get(*place)), place
    for store in (ours, reference):
        store.batch([PutOp(*places[0], {"n": 7}), PutOp(*places[0], {"n": 8}), PutOp(*places[1], None)])
        store.delete(("memories",), "nothing")
    assert in_order(ours.search(())) == in_order(reference.search(()))


def test_comparisons_are_of_numbers_and_texts(make: Make) -> None:
    store = make()
    for n, value in enumerate((1, 2, 10, "10", "9", None, [3], True)):
        store.put(("a",), str(n), {"v": value})

    def found(**operators: Any) -> list[Any]:
        items = store.search(("a",), filter={"v": {f"${name}": value for name, value in operators.items()}})
        return sorted((item.value["v"] for item in items), key=str)

    assert found(gt=1) == [10, 2]
    assert found(gte=2, lt=10) == [2]
    assert found(lte="10") == ["10"]
    with pytest.raises(UnprocessableContent, match=r"\$in is not supported"):
        found(**{"in": 3})


def test_items_keep_their_times_and_latest_are_first(make: Make) -> None:
    store = make()
    for key in ("a", "b", "c"):
        store.put(("m",), key, {"n": 1})
    before = store.get(("m",), "a")
    store.put(("m",), "a", {"n": 2})
    after = store.get(("m",), "a")
    assert before
    assert after
    assert after.created_at == before.created_at
    assert after.updated_at > before.updated_at
    assert [item.key for item in store.search(("m",), limit=2)] == ["a", "c"]
    assert [item.key for item in store.search(("m",), limit=2, offset=2)] == ["b"]


def test_people_agents_and_workspaces_have_their_own_items_and_share_some(make: Make, module_store: Database) -> None:
    other_workspace = add_workspace(module_store, uuid.uuid4())
    ann, bob = make("ann"), make("bob")
    ann.put(("memories",), "name", {"name": "Ann"})
    ann.put(("shared", "facts"), "moon", {"distance": 384_400})
    assert bob.get(("memories",), "name") is None
    bob.put(("memories",), "name", {"name": "Bob"})
    assert [item.value["name"] for item in ann.search(("memories",))] == ["Ann"]
    assert {item.key for item in bob.search(())} == {"name", "moon"}
    assert bob.list_namespaces() == [("memories",), ("shared", "facts")]
    for other in (make("ann", "another"), make("ann", workspace_id=other_workspace)):
        assert other.search(()) == []
        assert other.get(("shared", "facts"), "moon") is None


@pytest.mark.parametrize(
    ("namespace", "key", "value", "error"),
    [
        pytest.param(("a",), "k", {"t": "x" * 100_000}, "at most 100,000 bytes", id="long"),
        pytest.param(("a",), "k", {"t": "a\0b"}, "NUL", id="nul"),
        pytest.param(("a",), "k", {"t": object()}, "only JSON can be stored", id="object"),
        pytest.param(("a",), "k", {"t": float("nan")}, "only JSON can be stored", id="nan"),
        pytest.param(("a",) * 21, "k", {}, "at most 20 labels", id="deep"),
        pytest.param(("a",), "k" * 1_000, {}, "at most 1,000 bytes", id="key"),
        pytest.param(("a",), "k\0", {}, "without NUL", id="nul-key"),
    ],
)
def test_what_cannot_be_stored_is_refused(make: Make, namespace: Any, key: str, value: Any, error: str) -> None:
    store = make()
    with pytest.raises(UnprocessableContent, match=error):
        store.put(namespace, key, value)
    assert store.search(()) == []


def test_surrogates_are_replaced(make: Make) -> None:
    store = make()
    store.put(("a\ud800",), "k\ud800", {"n\ud800": "\ud800"})
    [found] = store.search(("a\ud800",), filter={"n\ud800": "\ud800"})
    assert found == store.get(("a?",), "k?")
    assert (found.namespace, found.key, found.value) == (("a?",), "k?", {"n?": "?"})
    assert store.list_namespaces(prefix=("a\ud800",)) == [("a?",)]


def test_operations_beyond_a_limit_are_refused_and_change_nothing(
    make: Make, module_store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make()
    nested: Any = {}
    for _ in range(5_000):
        nested = {"a": nested}
    refused: list[tuple[str, list[Any]]] = [
        ("at most 200 operations", [GetOp(("a",), "k")] * 201),
        ("only JSON can be stored", [PutOp(("a",), "k", nested)]),
        ("at least one label", [PutOp((), "k", {})]),
        ("none of them empty", [PutOp(("",), "k", {})]),
        ("limit and offset", [SearchOp(("a",), None, 1_001)]),
        ("limit and offset", [SearchOp(("a",), None, 10, -1)]),
        ("at most 50 conditions", [SearchOp(("a",), {str(n): n for n in range(51)})]),
        ("doesn't search by meaning", [SearchOp(("a",), query="What does Ann like?")]),
        ("ttl: give minutes", [PutOp(("a",), "k", {}, ttl=float("inf"))]),
    ]
    for error, ops in refused:
        with pytest.raises(UnprocessableContent, match=error):
            store.batch([PutOp(("a",), "first", {}), *ops])
    with pytest.raises(InvalidNamespaceError):
        store.put(("a.b",), "k", {})
    monkeypatch.setattr(items, "MAX_ITEMS", 2)
    with pytest.raises(UnprocessableContent, match="remember at most 2 items"):
        store.batch([PutOp(("a",), str(n), {}) for n in range(3)])
    assert store.search(()) == []
    monkeypatch.setattr(items, "MAX_FOUND_BYTES", 300)
    namespace = ("a", "n" * 200)
    store.batch([PutOp(namespace, str(n), {"t": "x" * 200}) for n in range(2)])
    with pytest.raises(UnprocessableContent, match="smaller `limit`"):
        store.search(("a",))
    assert len(store.search(("a",), limit=1)) == 1
    for op in (SearchOp(("a",), None, 1), GetOp(namespace, "0"), ListNamespacesOp((), None, 10)):
        store.batch([op])
        with pytest.raises(UnprocessableContent, match="fewer operations"):
            store.batch([op, op])


def test_items_expire_after_their_last_use(make: Make, module_store: Database, module_database: FreshDatabase) -> None:
    def age() -> None:
        with module_store.transaction(WORKSPACE) as tx:
            tx.exec_driver_sql("update agent_items set expires_at = expires_at - interval '40 minutes'")

    store = make()
    for key in ("read", "found", "left", "expired"):
        store.put(("found" if key == "found" else "a",), key, {}, ttl=60)
    store.put(("a",), "kept", {})
    age()
    store.get(("a",), "read")
    store.get(("a",), "left", refresh_ttl=False)
    store.search(("found",))
    age()
    assert {item.key for item in store.search((), refresh_ttl=False)} == {"read", "found", "kept"}
    assert store.get(("a",), "left") is None
    sweep(module_store, settings_for(module_database))
    with module_store.transaction(WORKSPACE) as tx:
        assert tx.exec_driver_sql("select count(*) from agent_items").scalar_one() == 3
    store.put(("a",), "read", {})
    age()
    age()
    assert store.get(("a",), "read") is not None, "a new value without a time limit has none"


MEMORY = """
from langchain_core.messages import AIMessage
from langgraph.config import get_store
from langgraph.graph import MessagesState, StateGraph
from langgraph.store.memory import InMemoryStore


async def remember(state, config, *, store):
    namespace = ("memories", config["configurable"]["user_id"])
    await store.aput(namespace, state["messages"][-1].text, {"text": state["messages"][-1].text})
    return {}


def say(state, config):
    found = get_store().search(("memories", config["configurable"]["user_id"]))
    return {"messages": [AIMessage(", ".join(sorted(item.value["text"] for item in found)))]}


builder = StateGraph(MessagesState).add_node(remember).add_node(say)
graph = builder.set_entry_point("remember").add_edge("remember", "say").compile(store=InMemoryStore())
"""


def test_graph_remembers_across_conversations(chat: ChatApp, folder: Path, provider: ScriptedProvider) -> None:
    (folder / "memory.py").write_text(MEMORY)
    ask(chat, "I like tea.", agent="memory")
    chat.drain()
    close_readers()
    answer_of(chat)
    chat.client.delete("/api/conversations/c1")
    ask(chat, "And the sea.", message_id="m2", agent="memory")
    chat.drain()
    close_readers()
    assert message_text(answer_of(chat)) == "And the sea., I like tea."
    assert chat.rows("select agent, subject, namespace from agent_items limit 1") == [
        ("memory", "local", ["memories", "local"])
    ]
