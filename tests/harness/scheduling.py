"""Which tests run in the same process, when there are several."""

from xdist.scheduler import LoadFileScheduling

SHARED_STACKS = ("tests/e2e/on_one_stack/", "tests/e2e/with_a_model/")
"""Folders whose files share a stack: each process would start its own."""


class FileScheduling(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Run tests of the same group in one process."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)


def group(nodeid: str) -> str:
    """Return a test's file, or the folder of the files that share a stack."""
    file = nodeid.partition("::")[0]
    return next((folder for folder in SHARED_STACKS if nodeid.startswith(folder)), file)
