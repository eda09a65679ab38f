"""Container settings of services and the job: as desired, and as read from Cloud Run's JSON for comparison. Pure."""

from dataclasses import dataclass
from typing import Any

from scripts.deployment.plan.cloud_state import CloudState, Json
from scripts.deployment.plan.commands import pairs
from scripts.deployment.plan.installation import RELEASE_LABEL, SANDBOX, SCHEMA_LABEL, Installation
from scripts.deployment.plan.settings import CPUS, MEMORY_GIB, variables
from scripts.deployment.resources.images import promoted_image
from scripts.deployment.resources.secrets import references


@dataclass(frozen=True, kw_only=True)
class Container:
    """Settings that the containers of services and the job have in common."""

    image: str
    labels: tuple[tuple[str, str], ...]
    account: str
    cpu: str
    memory: str
    cloudsql: str
    variables: tuple[tuple[str, str], ...]
    secrets: tuple[tuple[str, str], ...]

    def flags(self) -> dict[str, Any]:
        """Return the flags for `gcloud run deploy` and `gcloud run jobs deploy`."""
        return {
            "image": self.image,
            "labels": pairs(dict(self.labels)),
            "service_account": self.account,
            "cpu": self.cpu,
            "memory": self.memory,
            **({"set_env_vars": pairs(dict(self.variables))} if self.variables else {"clear_env_vars": True}),
            **({"set_secrets": pairs(dict(self.secrets))} if self.secrets else {"clear_secrets": True}),
            **({"set_cloudsql_instances": self.cloudsql} if self.cloudsql else {}),
        }


def desired_container(reader: str, installation: Installation, state: CloudState) -> Container:
    """Return the desired container of a function, of the `job` or of the sandbox.

    The image is named by its digest, as Cloud Run stores it in revisions, once it has been pushed.
    """
    tagged = installation.image(reader, installation.tag)
    return Container(
        image=promoted_image(installation, reader) or state.images.get(tagged, tagged),
        labels=((RELEASE_LABEL, installation.tag), (SCHEMA_LABEL, installation.schema)),
        account=installation.account(reader),
        cpu=str(CPUS[reader]),
        memory=f"{MEMORY_GIB[reader]}Gi",
        cloudsql="" if reader == SANDBOX else installation.cloudsql_instance,
        variables=tuple(sorted(variables(reader, installation, state.project_number).items())),
        secrets=tuple(sorted(references(installation, state, reader).items())),
    )


def read_container(spec: Json, metadata: Json) -> Container:
    """Read a container from a Cloud Run spec, and the metadata of its template, revision or execution."""
    container = spec["containers"][0]
    entries = container.get("env", [])
    sources = {entry["name"]: entry.get("valueFrom", {}).get("secretKeyRef") for entry in entries}
    limits = container.get("resources", {}).get("limits", {})
    return Container(
        image=container.get("image", ""),
        labels=tuple((name, label_of(metadata, name)) for name in (RELEASE_LABEL, SCHEMA_LABEL)),
        account=spec.get("serviceAccountName", ""),
        cpu=_cores(limits.get("cpu", "")),
        memory=limits.get("memory", ""),
        cloudsql=metadata.get("annotations", {}).get("run.googleapis.com/cloudsql-instances", ""),
        variables=tuple(sorted((each["name"], each.get("value", "")) for each in entries if not sources[each["name"]])),
        secrets=tuple(sorted((name, f"{key['name']}:{key['key']}") for name, key in sources.items() if key)),
    )


def label_of(metadata: Json, name: str) -> str:
    """Return a label of a resource, '' if it has none."""
    return str(metadata.get("labels", {}).get(name, ""))


def _cores(text: str) -> str:
    """Normalise whole CPUs: `1000m` becomes `1`."""
    return str(int(text[:-1]) // 1000) if text.endswith("000m") else text
