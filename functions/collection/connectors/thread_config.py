"""Fields of configs that choose threads by state and labels. Pure."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from msgspec import Meta

State = Literal["all", "open", "closed"]
Labels = Annotated[
    tuple[str, ...],
    Meta(
        title="Labels",
        description="Only threads with one of these labels. Leave empty for all.",
        examples=[["documentation"]],
    ),
]


def normalise_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """Return the labels without spaces around them, each once.

    >>> normalise_labels([" docs", "docs", ""])
    ('docs',)
    """
    return tuple(dict.fromkeys(label.strip() for label in labels if label.strip()))


def has_label(chosen: Sequence[str], labels: Iterable[str]) -> bool:
    """Return True if a thread has one of the chosen labels, or none is chosen. Their case doesn't matter."""
    wanted = {label.lower() for label in chosen}
    return not wanted or any(label.lower() in wanted for label in labels)
