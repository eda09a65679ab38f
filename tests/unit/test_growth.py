"""The check of linear time, on which the tests with adversarial inputs rely."""

import re
from collections.abc import Callable

import pytest

from tests.harness.growth import ATTEMPTS, check_linear

LINEAR = re.compile(r"a[^b]*b")
QUADRATIC = re.compile(r"a+b")


def test_linear_time_passes() -> None:
    check_linear(LINEAR.match, lambda size: "a" * size, largest=1_024_000)


@pytest.mark.parametrize(
    "make",
    [lambda size: "a" * size, lambda size: " " * size + "a" * (size // 8)],
    ids=["all of the input", "an eighth of the input"],
)
def test_quadratic_time_fails(make: Callable[[int], str]) -> None:
    with pytest.raises(AssertionError, match="fold when the input doubles"):
        check_linear(QUADRATIC.search, make, smallest=250, largest=8_000, attempts=ATTEMPTS)
