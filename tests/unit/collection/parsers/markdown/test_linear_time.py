"""The time to parse adversarial Markdown, MDX and front matter grows linearly with its size."""

import pytest

from functions.collection.parsers.markdown.front_matter import MAX_FRONT_MATTER_CHARS, read_front_matter
from tests.harness.adversarial.front_matter import FRONT_MATTER
from tests.harness.adversarial.markdown import MARKDOWN
from tests.harness.adversarial.mdx import MDX
from tests.harness.adversarial.shapes import Shape
from tests.harness.growth import check_linear
from tests.harness.parsing import parse

LARGE = {"deep quotes over lines"}
"""Inputs that are measured at larger sizes: smaller ones fit into the processor's caches, so their time grows more."""


def check_parsing(key: str, shape: Shape, **sizes: int) -> None:
    check_linear(lambda content: parse(key, content, "text/markdown"), lambda size: shape(size).encode(), **sizes)


@pytest.mark.sampled(7)
@pytest.mark.parametrize("name", MARKDOWN)
def test_parsing_markdown_takes_linear_time(name: str) -> None:
    check_parsing("page.md", MARKDOWN[name], **({"smallest": 256_000} if name in LARGE else {}))


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", MDX)
def test_parsing_mdx_takes_linear_time(name: str) -> None:
    check_parsing("page.mdx", MDX[name])


@pytest.mark.sampled(17)
@pytest.mark.parametrize("name", MARKDOWN)
def test_parsing_markdown_as_mdx_takes_linear_time(name: str) -> None:
    check_parsing("page.mdx", MARKDOWN[name])


@pytest.mark.parametrize("name", FRONT_MATTER)
def test_reading_front_matter_takes_linear_time(name: str) -> None:
    shape = FRONT_MATTER[name]
    check_linear(read_front_matter, lambda size: f"---\n{shape(size)}\n---\n", largest=MAX_FRONT_MATTER_CHARS - 1_000)
