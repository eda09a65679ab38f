"""The images' content-based tag, and when they are built."""

from dataclasses import replace
from pathlib import Path

from headwater.database import transactions
from scripts.deployment.plan.cloud_state import CloudState
from scripts.deployment.resources.images import MIGRATIONS, SOURCES, TARGETS, content_tag, newest_migration, plan_images
from tests.harness.deployment import SUPABASE, flag
from tests.harness.images import stages
from tests.harness.paths import ROOT


def test_all_images_are_built_if_one_is_missing() -> None:
    images = {SUPABASE.image(target, "t1"): "" for target in ("chat", "collection", "embedding", "job", "sandbox")}
    assert plan_images(SUPABASE, CloudState(images=images)) == []
    del images[SUPABASE.image("job", "t1")]
    assert len(plan_images(SUPABASE, CloudState(images=images))) == 1


def test_builds_run_in_the_installations_region_or_in_the_private_pool() -> None:
    [build] = plan_images(SUPABASE, CloudState())
    assert flag(build, "region") == "europe-west1"
    assert not any("worker-pool" in each for each in build.arguments)
    pool = "projects/acme-builds/locations/europe-west4/workerPools/private"
    [build] = plan_images(replace(SUPABASE, build_pool=pool), CloudState())
    assert (flag(build, "region"), flag(build, "worker-pool")) == ("europe-west4", pool)


def test_tag_depends_only_on_the_images_sources(tmp_path: Path) -> None:
    for name in ("Dockerfile", "functions/chat/main.py", "shared/headwater/database/transactions.py", "docs/deploy.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one")
    first = content_tag(tmp_path)
    (tmp_path / "docs/deploy.md").write_text("two")
    (tmp_path / "functions/__pycache__").mkdir()
    (tmp_path / "functions/__pycache__/main.pyc").write_bytes(b"two")
    assert content_tag(tmp_path) == first
    (tmp_path / "functions/chat/main.py").write_text("two")
    assert content_tag(tmp_path) != first


def test_newest_migration_is_the_one_that_the_code_requires() -> None:
    assert newest_migration(ROOT) == transactions.REVISION
    assert (ROOT / MIGRATIONS).is_relative_to(ROOT / "shared")


def test_tag_covers_everything_that_the_images_copy() -> None:
    parsed = stages()
    waiting, used = [*TARGETS], set()
    while waiting:
        if (name := waiting.pop()) in parsed and name not in used:
            used.add(name)
            waiting += [parsed[name].base, *(source for source, _, _ in parsed[name].copies)]
    names = [name for stage in used for source, names, _ in parsed[stage].copies if not source for name in names]
    assert len(names) > 5
    assert [name for name in names if not name.startswith(SOURCES)] == []
    assert "all" not in used
