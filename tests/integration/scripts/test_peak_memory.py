"""Peak memory of children, as benchmarks report it."""

import subprocess
import sys

from tests.harness.peak_memory import watch_children


def test_peak_of_a_child_is_without_the_memory_of_its_parent() -> None:
    program = "import time; time.sleep(0.2); own = b'x' * 100_000_000; del own; time.sleep(0.2)"
    memory_of_parent = b"x" * 400_000_000
    with watch_children() as largest:
        subprocess.run([sys.executable, "-c", program], check=True)
    del memory_of_parent
    assert 100_000_000 < largest.bytes < 200_000_000
