"""Which tests run in the same process, when there are several."""

from xdist.scheduler import LoadFileScheduling

ON_ONE_STACK = "tests/e2e/on_one_stack/"


class FileScheduling(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Run tests of the same group in one process."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)


def group(nodeid: str) -> str:
    """Return a test's file, or the folder of the files that share a stack: each process would start its own."""
    return ON_ONE_STACK if nodeid.startswith(ON_ONE_STACK) else nodeid.partition("::")[0]
