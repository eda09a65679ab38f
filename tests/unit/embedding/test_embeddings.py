"""`POST /v1/embeddings`: OpenAI's request and response, and the errors of requests that are not supported."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from functions.embedding.embeddings import (
    COUNTED_CHARS,
    MAX_INPUTS,
    MAX_TOKENS,
    EmbeddingsRequest,
    EmbeddingsResponse,
    create_embeddings,
)
from headwater.embedding.constant import ConstantEmbedder, WordTokenizer
from headwater.embedding.registry import load_embedder
from headwater.errors import BadRequest, NotFound, UnprocessableContent, UserError

EMBEDDER = load_embedder("constant", Path("no-model-files-needed"))


def post(**members: Any) -> EmbeddingsResponse:
    """Decode a request from JSON and answer it."""
    body = msgspec.json.encode({"model": "constant"} | members)
    return create_embeddings(msgspec.json.decode(body, type=EmbeddingsRequest), EMBEDDER)


def refusal(**members: Any) -> UserError:
    """Return the error of a request that must fail."""
    with pytest.raises(UserError) as raised:
        post(**members)
    return raised.value


def test_vectors_are_returned_as_floats_or_base64() -> None:
    texts = ["one", "two words", "drei"]
    expected = EMBEDDER.embed_documents(texts)
    numbers = post(input=texts, user="ada").data
    encoded = post(input=texts, encoding_format="base64").data
    assert [item.index for item in numbers] == [item.index for item in encoded] == [0, 1, 2]
    np.testing.assert_array_equal(np.array([item.embedding for item in numbers], np.float32), expected)
    decoded = [np.frombuffer(base64.b64decode(str(item.embedding)), "<f4") for item in encoded]
    np.testing.assert_array_equal(decoded, expected)


def test_response_has_exactly_the_fields_of_openai() -> None:
    response = msgspec.to_builtins(post(input="one"))
    vector = response["data"][0].pop("embedding")
    assert np.linalg.norm(vector) == pytest.approx(1)
    assert response == {
        "object": "list",
        "data": [{"object": "embedding", "index": 0}],
        "model": "constant",
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    }


def test_single_text_equals_a_list_of_one() -> None:
    assert post(input="one") == post(input=["one"])


def test_dimensions_must_equal_those_of_the_model() -> None:
    assert len(post(input="one", dimensions=384).data) == 1
    error = refusal(input="one", dimensions=256)
    assert isinstance(error, BadRequest)
    assert error.message == "dimensions: constant has 384 dimensions, not 256."


def test_other_model_is_not_found() -> None:
    error = refusal(model="text-embedding-3-small", input="one")
    assert isinstance(error, NotFound)
    assert "has 'constant'" in error.message


@pytest.mark.parametrize("tokens", [[1, 2, 3], [[1, 2], [3]]])
def test_tokens_are_rejected_with_a_workaround(tokens: list[Any]) -> None:
    error = refusal(input=tokens)
    assert isinstance(error, UnprocessableContent)
    assert error.message.startswith("input[0]: send text instead of token ids")
    assert "check_embedding_ctx_length=False" in error.message


def test_empty_text_error_names_its_index() -> None:
    assert refusal(input="").message == "input[0]: the text is empty."
    assert refusal(input=["one", ""]).message == "input[1]: the text is empty."


def test_number_of_texts_is_limited() -> None:
    assert len(post(input=["one"] * MAX_INPUTS).data) == 2048
    assert refusal(input=["one"] * (MAX_INPUTS + 1)).message == "input: send 1 to 2048 texts, not 2049."
    assert refusal(input=[]).message == "input: send 1 to 2048 texts, not 0."


def test_too_long_text_is_rejected_not_truncated() -> None:
    assert post(input=["one", "word " * 254]).usage.prompt_tokens == 255
    error = refusal(input=["one", "word " * 255])
    assert isinstance(error, BadRequest)
    assert error.message == "input[1]: the text has more than 254 tokens, the maximum of constant."


def test_tokens_of_all_texts_are_limited() -> None:
    texts = ["word " * 254] * (MAX_TOKENS // 254)
    assert len(post(input=texts).data) == 129
    error = refusal(input=[*texts, "word"] + ["word"] * (MAX_TOKENS % 254))
    assert isinstance(error, BadRequest)
    assert error.message.startswith("input: the texts have more than 32768 tokens together, the maximum of a request.")
    assert "chunk_size=129" in error.message


@pytest.mark.parametrize(
    ("texts", "read"),
    [
        (["one", "a" * 900_000], 3 + COUNTED_CHARS),
        (["a" * 900_000], COUNTED_CHARS),
        ([" " * 500_000 + "a" * 400_000], 507_904),  # 62 times COUNTED_CHARS: the first word is in the last
        (["a " * 200] * MAX_INPUTS, 169 * 400),
    ],
    ids=["long word", "long word alone", "white space first", "many texts"],
)
def test_tokens_are_counted_up_to_the_limits(texts: list[str], read: int) -> None:
    class Recorded(WordTokenizer):
        chars = 0

        def starts(self, texts: Sequence[str]) -> list[list[int]]:
            self.chars += sum(map(len, texts))
            return super().starts(texts)

    embedder = ConstantEmbedder()
    embedder.tokenizer = tokenizer = Recorded()
    with pytest.raises(BadRequest, match="more than"):
        create_embeddings(EmbeddingsRequest(model="constant", input=list(texts)), embedder)
    assert read <= tokenizer.chars < read + COUNTED_CHARS


def test_text_longer_than_what_is_counted_at_a_time_has_all_of_its_tokens() -> None:
    text = "one" + " " * COUNTED_CHARS + "two"
    assert post(input=["zero", text, "three"]).usage.prompt_tokens == 4


def test_unknown_encoding_format_is_rejected() -> None:
    with pytest.raises(msgspec.ValidationError, match="encoding_format"):
        post(input="one", encoding_format="int8")
