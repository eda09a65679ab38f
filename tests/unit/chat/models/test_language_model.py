"""Reading a model's chunks."""

import weakref
from collections.abc import Iterator
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import Field

from functions.chat.answers.pieces import Finish
from functions.chat.answers.prompt import Turn
from functions.chat.models.language_model import LanguageModel
from headwater.config import Settings


class FakeClient(BaseChatModel):
    """A provider's client that notes its messages, and which of its chunks exist at the end."""

    received: list[BaseMessage] = Field(default_factory=list)
    left: list[str] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "fake"

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        raise NotImplementedError

    def _stream(self, messages: list[BaseMessage], *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
        self.received.extend(messages)
        chunks: list[weakref.ref[AIMessageChunk]] = []
        for n, word in enumerate(("With ", "pip", ".")):
            message = AIMessageChunk(content=word)
            chunks.append(weakref.ref(message))
            info = {"finish_reason": "stop"} if n == 2 else None
            yield ChatGenerationChunk(message=message, generation_info=info)
            del message
        self.left.extend(str(chunk.content) for each in chunks[:-1] if (chunk := each()) is not None)


def test_chunks_of_an_answer_are_not_kept() -> None:
    model = LanguageModel(Settings(database_url="unused", openai_api_key="k"), "openai:fake")
    client = FakeClient()
    vars(model)["_client"] = client
    assert list(model.stream([Turn("user", "How?")])) == ["With ", "pip", ".", Finish("stop")]
    assert client.received == [HumanMessage("How?")]
    assert client.left == []
