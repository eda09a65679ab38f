"""A deployed installation on fake clouds, and the scripts that change it."""

import os
import pty
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.google_apis import PROJECT, REGION, store_images
from tests.fakes.google_cloud import Google
from tests.harness.localcloud import Cloud
from tests.harness.paths import ROOT

PLACE = f"projects/{PROJECT}/locations/{REGION}"
SUPABASE = "postgresql://postgres.abc:the-owners-password@aws-0-eu.pooler.supabase.com"
SERVICES = {"headwater-chat", "headwater-collection", "headwater-embedding", "headwater-sandbox"}


@dataclass
class Deployment:
    """An installation, its fake clouds, and the output of each script run."""

    folder: Path
    google: Google
    cloud: Cloud
    admin_url: str
    gcloud: Path
    """The folder of `gcloud`."""

    output: list[str] = field(default_factory=list)

    def run(
        self,
        *arguments: str,
        script: str = "deploy",
        kill_after: int = 0,
        stdin: int = subprocess.DEVNULL,
        environment: Mapping[str, str] | None = None,
    ) -> int:
        """Run a script, optionally killing it after `kill_after` changes to the project; returns its exit code."""
        file = str(self.folder / "deploy.toml")
        check = ["--skip-database-check"] if script == "deploy" else []  # the URL's host exists, but not its project
        command = [str(ROOT / "scripts" / script), "production", "--file", file, *check, *arguments]
        inherited = {name: value for name, value in os.environ.items() if _is_harmless(name)}
        inherited["PATH"] = f"{self.gcloud}{os.pathsep}{inherited['PATH']}"
        secrets = {"DEPLOY_DATABASE_ADMIN_URL": f"{SUPABASE}:5432/postgres"}
        process = subprocess.Popen(
            command,
            env=inherited | self.google.environment(self.folder / "gcloud") | secrets | dict(environment or {}),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        last = len(self.google.writes) + kill_after

        def kill_after_last(_: str) -> None:
            if kill_after and len(self.google.writes) == last:
                os.killpg(process.pid, signal.SIGKILL)

        self.google.on_write = kill_after_last
        self.output.append(process.communicate(timeout=900)[0])
        self.google.on_write = lambda _: None
        assert self.google.unknown == [], self.google.unknown
        return process.returncode

    def build(self, *tags: str) -> None:
        """Store the images of releases, as builds do. `gcloud builds submit` would compress the checkout for each."""
        for tag in tags:
            store_images(self.google, tag, {})

    def answer(self, text: str, *arguments: str) -> int:
        """Run scripts/undeploy in a terminal and type an answer; returns its exit code."""
        terminal, stdin = pty.openpty()
        os.write(terminal, f"{text}\n".encode())
        try:
            return self.run(*arguments, script="undeploy", stdin=stdin)
        finally:
            os.close(terminal)
            os.close(stdin)

    def secrets(self) -> dict[str, list[str]]:
        """Return all versions of each secret."""
        prefix, suffix = "/secrets/headwater-", "#versions"
        return {
            path.partition(prefix)[2].removesuffix(suffix): versions
            for path, versions in self.google.resources.items()
            if suffix in path
        }

    def worker_releases(self) -> dict[str, float]:
        """Return the percentage of the Worker's traffic by release."""
        tags = {each["number"]: each["annotations"].get("workers/tag", "") for each in self.google.worker.versions}
        return {tags[number]: percent for number, percent in self.google.worker.percents().items()}

    def digests(self) -> dict[str, str]:
        """Return the digest of the image that each service serves."""
        found = {}
        for path, service in self.google.resources.items():
            if path.startswith("service/"):
                [share] = service["status"]["traffic"]
                image = self.google.resources[f"revision/{share['revisionName']}"]["status"]["imageDigest"]
                found[service["metadata"]["name"]] = image.partition("@")[2]
        return found

    def shares(self, service: str) -> dict[str, int]:
        """Return the percentage of a service's traffic by release."""
        traffic = self.google.resources[f"service/{service}"]["status"]["traffic"]
        labels = {
            path.partition("/")[2]: each["metadata"]["labels"]
            for path, each in self.google.resources.items()
            if path.startswith("revision/")
        }
        return {labels[each["revisionName"]]["release"]: each["percent"] for each in traffic if each.get("percent")}

    def keys(self) -> list[str]:
        """Return the keys of the Worker's service account."""
        return [
            path for path in self.google.resources if "/serviceAccounts/headwater-worker" in path and "/keys/" in path
        ]

    def releases(self) -> dict[str, str]:
        """Return the release that has all traffic of each service, and the release of the job."""
        resources = self.google.resources
        services = [each for path, each in resources.items() if path.startswith("service/")]
        found = {"job": dict(self.cloud.jobs.get_job(name=f"{PLACE}/jobs/headwater").template.labels)["release"]}
        for service in services:
            [share] = service["status"]["traffic"]
            revision = resources[f"revision/{share['revisionName']}"]
            assert "@sha256:" in revision["spec"]["containers"][0]["image"]
            found[service["metadata"]["name"]] = revision["metadata"]["labels"]["release"]
        return found

    def lose(self, *kinds: str) -> None:
        """Delete the project's resources of these kinds, and the job with its executions."""
        self.google.resources = {
            path: each for path, each in self.google.resources.items() if not any(kind in path for kind in kinds)
        }
        self.cloud.jobs.delete_job(name=f"{PLACE}/jobs/headwater").result()


def _is_harmless(name: str) -> bool:
    return not name.startswith(("CLOUDSDK_", "CLOUDFLARE_", "DEPLOY_")) and not name.lower().endswith("_proxy")
