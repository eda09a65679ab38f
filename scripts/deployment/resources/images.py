"""Images: the files that they are made of flow in, their tag and the build that is missing flow out.

The tag is a hash of those files, so that a change elsewhere builds nothing and rolls nothing out, and the same tree is
the same release wherever it is deployed from.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from scripts.deployment.cloud.read_cloud import Google
from scripts.deployment.plan.cloud_state import Found
from scripts.deployment.plan.commands import Command, gcloud, pairs
from scripts.deployment.plan.installation import FUNCTIONS, Installation

TARGETS = (*FUNCTIONS, "job")
SOURCES = ("Dockerfile", "functions", "scripts/graph-requirements.txt", "shared")
"""What the Dockerfile copies, and itself."""


def content_tag(root: Path) -> str:
    """Hash what images are made of, 12 hexadecimal digits of it."""
    digest = hashlib.sha256()
    for path in _files(root):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:12]


def _files(root: Path) -> Iterator[Path]:
    for name in SOURCES:
        found = [root / name] if (root / name).is_file() else sorted((root / name).rglob("*"))
        yield from (path for path in found if path.is_file() and "__pycache__" not in path.parts)


def look_images(google: Google, wanted: Installation, found: Found) -> Found:
    """Read which images there are."""
    path = f"/v1/projects/{wanted.project}/locations/{wanted.region}/repositories/headwater/dockerImages"
    listed = google.all("artifactregistry", path, "dockerImages", pageSize=1000)
    return replace(
        found,
        images=frozenset(f"{each['uri'].partition('@')[0]}:{tag}" for each in listed for tag in each.get("tags", [])),
    )


def plan_images(wanted: Installation, found: Found) -> list[Command]:
    """Build all four on Cloud Build when one is missing."""
    if all(wanted.image(target, wanted.tag) in found.images for target in TARGETS):
        return []
    build = f"projects/{wanted.project}/serviceAccounts/{wanted.account('build')}"
    return [
        gcloud(
            "builds",
            "submit",
            ".",
            on="images",
            project=wanted.project,
            config="cloudbuild.yaml",
            service_account=build,
            gcs_source_staging_dir=f"gs://{wanted.bucket}/source",
            substitutions=pairs({"_REGION": wanted.region, "_TAG": wanted.tag}),
            minutes="5 to 15",
        )
    ]
