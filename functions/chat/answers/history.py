"""Choose the messages of a conversation that a model is given with a question, within a budget of tokens. Pure."""

import re
from collections.abc import Sequence

from functions.chat.answers.prompt import Turn

BYTES_PER_TOKEN = 4
"""Estimates the tokens of a text in any script: 4 English letters, or 1⅓ Chinese characters."""

LEFT_OUT = "\n[…]\n"
"""Stands in a shortened message for what is left out."""

_CITATION = re.compile(r" ?\[[0-9]+\]")


def estimate_tokens(text: str) -> int:
    """Estimate the number of a text's tokens, rounded up."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)


def recent_turns(history: Sequence[Turn], max_tokens: int) -> list[Turn]:
    """Return the latest messages of a conversation that fit `max_tokens`, from a question on.

    A message has at most half of the budget, so that the last question and its answer always fit: from a longer one
    the middle is left out. Citations are removed, since their numbers refer to the passages of an earlier question.
    """
    turns: list[Turn] = []
    left = max_tokens
    for turn in reversed(history):
        text = _CITATION.sub("", turn.text) if turn.role == "assistant" else turn.text
        text = _shorten(text, max_tokens // 2)
        left -= estimate_tokens(text)
        if left < 0:
            break
        turns.insert(0, Turn(turn.role, text))
    while turns and turns[0].role != "user":
        del turns[0]
    return turns


def _shorten(text: str, max_tokens: int) -> str:
    """Leave out the middle of a text that has more tokens."""
    if estimate_tokens(text) <= max_tokens:
        return text
    kept = max_tokens * BYTES_PER_TOKEN - len(LEFT_OUT.encode())
    if kept <= 0:
        return ""
    encoded = text.encode("utf-8", "surrogatepass")
    start, end = encoded[: kept // 2], encoded[len(encoded) - kept // 2 :]
    return start.decode("utf-8", "ignore") + LEFT_OUT + end.decode("utf-8", "ignore")
