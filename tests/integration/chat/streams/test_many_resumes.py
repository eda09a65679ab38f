"""Clients that come back at random points, on two instances whose writers die: each ends with the scripted text.

One client continues after its last event, as a plain reader of server-sent events; the other replays from the start, as
the AI SDK's `useChat` does. `--every-input` runs until there were 1,000 resumes.
"""

import random
from collections.abc import Iterator

import pytest

from tests.fakes.chat_provider import FakeProvider, fake_provider
from tests.harness.chat_app import ChatApp, message_text, running_chat_app, second_instance
from tests.harness.databases import FreshDatabase
from tests.harness.localcloud import Cloud
from tests.harness.resuming import ResumingReader, delivering
from tests.harness.support import queue_settings

QUESTION = "How do I install the compass?"
PIECES = [f"word{n} " for n in range(40)] + ["ended [1]."]
TEXT = "".join(PIECES)


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as provider:
        provider.pieces, provider.piece_s = PIECES, 0.01
        yield provider


@pytest.fixture
def apps(cloud: Cloud, database: FreshDatabase, provider: FakeProvider) -> Iterator[list[ChatApp]]:
    """Two instances, and threads that deliver the tickets of the queue, as Cloud Tasks does."""
    changes = queue_settings(cloud.url) | {"chat_model": "openai:fake", "openai_base_url": f"{provider.url}/v1"}
    with running_chat_app(database, **changes) as first, second_instance(database, **changes) as second:
        first.add_document("guide.md", "Install the compass with pip.", title="Guide")
        with delivering(first, second):
            yield [first, second]


@pytest.mark.parametrize("continues", [True, False], ids=["plain reader", "useChat"])
def test_clients_that_come_back_end_with_the_whole_text(
    apps: list[ChatApp], request: pytest.FixtureRequest, continues: bool
) -> None:
    wanted = 500 if request.config.getoption("--every-input") else 20
    rng, resumes, answers = random.Random(7), 0, 0
    while resumes < wanted:
        conversation_id = f"c{answers}"
        reader = ResumingReader(conversation_id, continues=continues)
        response = rng.choice(apps).post(conversation_id, QUESTION)
        reader.read((bytes(chunk) for chunk in response.response), rng.randint(1, 6))  # type: ignore[arg-type]
        if rng.random() < 0.5:
            response.close()  # the client goes, and the writer hands over
        else:  # the writer dies: it is frozen, and its lease is over
            apps[0].rows("update messages set alive_until = now() - interval '9 s' where state = 'streaming'")
        is_over = False
        while not is_over:
            is_over = not reader.come_back(rng.choice(apps), rng.choice([1, 1, 2, 3, 1_000]))
            is_over = is_over or reader.end == "finish"
            resumes += 1
        stored = apps[0].messages(conversation_id)[1]
        assert (stored["metadata"]["state"], message_text(stored)) == ("complete", TEXT)
        if reader.end == "finish" or continues:
            assert reader.text == TEXT
        response.close()
        answers += 1
