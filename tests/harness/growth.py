"""Check that the processor time of a function grows linearly with its input, on a busy machine too."""

import gc
import time
from collections.abc import Callable
from typing import TypeVar

Input = TypeVar("Input")

MAX_GROWTH = 2.3
"""Allowed growth of the time when the input doubles. Linear time doubles; the rest is for caches and memory."""
DOUBLINGS = 3
MEASURABLE_S = 0.000_3
ATTEMPTS = 24
LATE_ATTEMPTS = 240
PAUSE_S = 0.1
"""Before each late attempt: other processes that use the memory and the caches may end meanwhile."""


def check_linear(
    run: Callable[[Input], object],
    make: Callable[[int], Input],
    *,
    smallest: int = 8_000,
    largest: int = 256_000,
    attempts: int = ATTEMPTS + LATE_ATTEMPTS,
) -> None:
    """Assert that the time for an input of 8 times the size is at most 2.3³ times the time.

    `make` makes an input of about a size. Sizes start where the time is measurable, and end at `largest`: with larger
    inputs, the time to get memory from the operating system would count. Other processes can only lengthen a
    measurement, and a long one more surely than a short one. So the shortest are compared: of two small inputs and the
    large one first. If need be, of more measurements, of 8 small inputs and of the large one, which take about as long.
    Only this thread's time counts.
    """
    factor = 2**DOUBLINGS
    size, small = smallest, make(smallest)
    while (small_s := _time(run, small)) < MEASURABLE_S and size < largest / factor:
        size *= 2
        small = make(size)
    large = make(factor * size)
    small_s, large_s = min(small_s, _time(run, small)), _time(run, large)
    for attempt in range(attempts):
        if large_s <= MAX_GROWTH**DOUBLINGS * small_s:
            return
        time.sleep(PAUSE_S if attempt >= ATTEMPTS else 0)
        small_s = min(small_s, _time(run, small, times=factor) / factor)
        large_s = min(large_s, _time(run, large))
    growth = (large_s / small_s) ** (1 / DOUBLINGS)
    raise AssertionError(
        f"the time grows {growth:.2f}-fold when the input doubles: {small_s * 1000:.1f} ms for a size of {size:,}, "
        f"{large_s * 1000:.1f} ms for {factor * size:,}"
    )


def _time(run: Callable[[Input], object], value: Input, *, times: int = 1) -> float:
    """Measure calls without garbage collection, whose time depends on the objects of other tests."""
    gc.disable()
    try:
        began = time.thread_time()
        for _ in range(times):
            run(value)
        return time.thread_time() - began
    finally:
        gc.enable()
