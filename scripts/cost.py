"""Write docs/costs.md from measured processor time and published prices: the command behind `scripts/cost`.

`python -m bench.cost` measures into `bench/measured-cost.json`. `scripts/prices.toml` names the source of each price.
Free quotas are listed and not subtracted, so real costs can be lower.
"""

import json
import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.deployment.plan.installation import CloudSql
from scripts.deployment.plan.settings import CPUS, MEMORY_GIB, STREAMS

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "costs.md"
PRICES = ROOT / "scripts" / "prices.toml"
MEASURED = ROOT / "bench" / "measured-cost.json"

TICKS_PER_HOUR = 4
MIN_BILLED_S = 0.1  # Cloud Run's minimum for a request


@dataclass(frozen=True)
class Line:
    """One cost in dollars: `ours` with Headwater, `theirs` with an always-on container."""

    name: str
    amount: str
    ours: float
    theirs: float


class Costs:
    """Costs of typical situations, as lines of a table."""

    def __init__(self, measured: Any, prices: Any) -> None:
        self.measured = measured
        self.prices = prices
        self.assumed = prices["assumed"]

    def idle_month(self) -> list[Line]:
        """A month without questions or changes."""
        assumed = self.assumed
        ticks = assumed["hours"] * TICKS_PER_HOUR
        tick_cpu_s = self.measured["start_cpu_s"]["collection"] + self.measured["tick_cpu_s"]["collection"]
        secrets = assumed["secret_versions"] * self.prices["secret_manager"]["version_month"]
        images = assumed["image_gb"] * self.prices["artifact_registry"]["gb_month"]
        worker, database = self.prices["cloudflare_workers"]["paid_month"], self.prices["supabase"]["pro_month"]
        return [
            Line(
                "compute",
                f"{ticks:,} ticks of {tick_cpu_s:.2f} CPU s",
                self._service("collection", tick_cpu_s * ticks, ticks),
                self._always_on(),
            ),
            Line("schedule", "1 job", self.prices["cloud_scheduler"]["job_month"], 0.0),
            Line(
                "secrets and images",
                f"{assumed['secret_versions']} versions, {assumed['image_gb']:g} GB",
                secrets + images,
                secrets + images,
            ),
            Line("Worker", "paid plan", worker, worker),
            Line("database", "Supabase Pro", database, database),
        ]

    def cloudsql_month(self) -> float:
        """A month of the Cloud SQL instance that `scripts/deploy` creates, such as `db-custom-1-3840`."""
        vcpus, mib = (int(part) for part in CloudSql().tier.split("-")[2:])
        prices = self.prices["cloud_sql"]
        each_hour = vcpus * prices["vcpu_hour"] + mib / 1024 * prices["gib_hour"]
        return float(self.assumed["hours"] * each_hour + self.assumed["cloud_sql_gb"] * prices["ssd_gb_month"])

    def pages(self, pages: int) -> list[Line]:
        """Collect new pages by tickets, and embed them with the built-in model."""
        each = self.measured["collect"]["cpu_s_per_page"]
        tickets = pages // self.assumed["pages_per_ticket"]
        compute = [
            Line(
                f"compute: {name}",
                f"{pages * each[name]:,.0f} CPU s",
                self._service(name, pages * each[name], tickets),
                0.0,
            )
            for name in ("collection", "embedding")
        ]
        operations = 3 * 2 * tickets  # each of two queues: create, deliver, delete
        price = self.prices["cloud_tasks"]["operation"]
        blobs = pages * self.prices["cloud_storage"]["write"]
        return [
            *compute,
            Line("queues", f"{operations:,} operations", operations * price, 0.0),
            Line("bucket", f"{pages:,} writes, for Git servers that can't send single files", blobs, 0.0),
        ]

    def answers(self, answers: int) -> list[Line]:
        """Answer questions with a hosted model, one at a time."""
        used = answers * self.measured["answers"]["cpu_s_per_answer"]["chat"]
        billed = answers * self.assumed["answer_s"]
        read = answers * self.measured["answers"]["prompt_characters"] / self.assumed["characters_per_token"]
        written = answers * self.assumed["answer_tokens"]
        model = self.prices["model"]
        tokens = read * model["input_token"] + written * model["output_token"]
        worker = answers * self.prices["cloudflare_workers"]["request"]
        return [
            Line(
                "compute: chat",
                f"{billed:,.0f} s billed, {used:,.0f} CPU s used",
                self._service_billed("chat", billed, answers),
                0.0,
            ),
            Line("Worker", f"{answers:,} requests", worker, worker),
            Line("model tokens", f"{read:,.0f} read, {written:,} written", tokens, tokens),
        ]

    def switch(self, pages: int) -> list[Line]:
        """Embed every passage of `pages` again, in the job."""
        chunks = pages * self.measured["collect"]["chunks_per_page"]
        used = chunks * self.measured["collect"]["embedding_cpu_s_per_chunk"]
        run = self.prices["cloud_run"]
        price = used * (run["job_vcpu_s"] + MEMORY_GIB["job"] / CPUS["job"] * run["job_gib_s"])
        return [Line("compute: job", f"{chunks:,.0f} chunks, {used:,.0f} CPU s", price, 0.0)]

    def _service(self, function: str, cpu_s: float, requests: float) -> float:
        """Price processor time in a service. The vCPUs are billed longer than they are used."""
        return self._service_billed(function, cpu_s * self.assumed["vcpu_s_per_cpu_s"] / CPUS[function], requests)

    def _service_billed(self, function: str, seconds: float, requests: float) -> float:
        run: dict[str, float] = self.prices["cloud_run"]
        each_s = CPUS[function] * run["service_vcpu_s"] + MEMORY_GIB[function] * run["service_gib_s"]
        return max(seconds, requests * MIN_BILLED_S) * each_s + requests * run["request"]

    def _always_on(self) -> float:
        """Price a container that runs all month."""
        run: dict[str, float] = self.prices["cloud_run"]
        assumed: dict[str, float] = self.assumed
        each_s = assumed["container_vcpu"] * run["job_vcpu_s"] + assumed["container_gib"] * run["job_gib_s"]
        return assumed["hours"] * 3600 * each_s


def dollars(amount: float) -> str:
    """Format dollars to the cent, amounts below 0.1 to two significant digits: `$25.00`, `$0.0031`."""
    if amount == 0 or amount >= 0.1:
        return f"${amount:.2f}"
    return f"${amount:.{1 - math.floor(math.log10(amount))}f}"


def table(lines: list[Line]) -> str:
    """Format lines as a Markdown table with their sums."""
    rows = ["| | amount | Headwater | always-on container |", "|---|---|---:|---:|"]
    rows += [f"| {line.name} | {line.amount} | {dollars(line.ours)} | {dollars(line.theirs)} |" for line in lines]
    ours, theirs = sum(line.ours for line in lines), sum(line.theirs for line in lines)
    return "\n".join([*rows, f"| **total** | | **{dollars(ours)}** | **{dollars(theirs)}** |"])


def sizes() -> str:
    """List the sizes of the containers: `chat` 1 vCPU and 1 GiB, …"""
    return ", ".join(f"`{name}` {CPUS[name]} vCPU and {MEMORY_GIB[name]} GiB" for name in CPUS)


def page(measured: Any, prices: Any) -> str:
    """Return the text of docs/costs.md."""
    costs, assumed, collect = Costs(measured, prices), prices["assumed"], measured["collect"]
    unchanged = collect["cpu_s_unchanged"]
    quotas = "\n".join(
        f"- {name.replace('_', ' ')}: {entry['free']}"
        for name, entry in prices.items()
        if isinstance(entry, dict) and "free" in entry
    )
    sources = "\n".join(
        f"- {name.replace('_', ' ')}: {entry['source']}"
        for name, entry in prices.items()
        if isinstance(entry, dict) and "source" in entry
    )
    return f"""# Costs

Generated by `scripts/cost` from processor time measured on {measured["measured_on"]} (`python -m bench.cost`, model
{measured["embedding_model"]}, {collect["pages"]:,} pages of {collect["chunks_per_page"]:g} passages) and list prices in
US dollars of {prices["read_on"]} (`scripts/prices.toml`). Free quotas are not subtracted; a small installation stays
within most of them.

For comparison: one always-on container that runs all functions, with {assumed["container_vcpu"]} vCPU and
{assumed["container_gib"]} GiB on Cloud Run, and the same database. Its compute is fully included in the idle month,
so the other tables add nothing for it.

## An idle month

{table(costs.idle_month())}

On Cloud SQL instead of Supabase (`{CloudSql().tier}`, {assumed["cloud_sql_gb"]} GB), the database is
{dollars(costs.cloudsql_month())}.

## 1,000 collected pages

{table(costs.pages(1000))}

Collecting the same source again without a change took {unchanged["collection"]:.2f} CPU s in `collection`
and {unchanged["embedding"]:.2f} in `embedding`.

## 1,000 answers

{table(costs.answers(1000))}

Model prices are those of {prices["model"]["name"]}. The built-in model (`extractive`) costs no tokens.
Concurrent answers share one vCPU, up to {STREAMS} on an instance.

## A model switch with 1,000 pages

{table(costs.switch(1000))}

Passages that the new model has embedded before are not embedded again, so switching back costs nothing. A hosted
embedding model is billed by tokens instead of compute.

## Assumptions

- A request is billed {assumed["vcpu_s_per_cpu_s"]:g} times its processor time, because it waits for the database.
  Containers have, as deployed: {sizes()}.
- An answer takes {assumed["answer_s"]:g} s and {assumed["answer_tokens"]} output tokens. Its prompt was measured at
  {measured["answers"]["prompt_characters"]:,} characters, {assumed["characters_per_token"]:g} per token.
- A month has {assumed["hours"]} hours. No instance is running at a tick, so each tick pays for a cold start
  ({measured["start_cpu_s"]["collection"]:.2f} CPU s).
- Egress, logs and database usage beyond the plan are left out; they are the same on both sides.

## Free quotas

{quotas}

## Sources of the prices

{sources}
"""


def main() -> None:
    """Write docs/costs.md."""
    PAGE.write_text(page(json.loads(MEASURED.read_text()), tomllib.loads(PRICES.read_text())))


if __name__ == "__main__":
    main()
