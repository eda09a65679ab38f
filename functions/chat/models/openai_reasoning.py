"""LangChain's client of OpenAI's protocol, with the thoughts that other servers send.

vLLM and DeepSeek send them in `reasoning_content` of a delta, Ollama and OpenRouter in `reasoning`. LangChain's client
ignores both, since OpenAI has neither. Imported with the first model of that protocol.
"""

from typing import Any

from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import ChatOpenAI


class ReasoningChatOpenAI(ChatOpenAI):
    """Adds a delta's thoughts, and the text of a refusal, to the chunk's `additional_kwargs`."""

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        converted = super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
        choices = chunk.get("choices") or [{}]
        delta = choices[0].get("delta") or {}
        if converted and isinstance(converted.message, AIMessageChunk):
            if thoughts := delta.get("reasoning_content") or delta.get("reasoning"):
                converted.message.additional_kwargs["reasoning_content"] = thoughts
            if refusal := delta.get("refusal"):
                converted.message.additional_kwargs["refusal"] = refusal
        return converted
