"""`scripts/cost`: measured processor time and published prices flow in, `docs/costs.md` flows out.

`bench/measured-cost.json` comes from `python -m bench.cost`, the prices in `scripts/prices.toml` from the pages that it
names. Free quotas are told and not subtracted: whoever has them to spare pays less than this.
"""

import json
import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "costs.md"
PRICES = ROOT / "scripts" / "prices.toml"
MEASURED = ROOT / "bench" / "measured-cost.json"

TICKS_PER_HOUR = 4
BILLED_AT_LEAST_S = 0.1  # Cloud Run rounds each request up to that


@dataclass(frozen=True)
class Line:
    """One thing that is paid for, in dollars: `ours` with Headwater, `theirs` with a container that never sleeps."""

    what: str
    amount: str
    ours: float
    theirs: float


class Costs:
    """What situations cost, each as lines."""

    def __init__(self, measured: Any, prices: Any) -> None:
        self.measured = measured
        self.prices = prices
        self.assumed = prices["assumed"]

    def idle_month(self) -> list[Line]:
        """A month in which nobody asks and nothing changes."""
        assumed = self.assumed
        ticks = assumed["hours"] * TICKS_PER_HOUR
        woken = self.measured["start_cpu_s"]["collection"] + self.measured["tick_cpu_s"]["collection"]
        secrets = assumed["secret_versions"] * self.prices["secret_manager"]["version_month"]
        images = assumed["image_gb"] * self.prices["artifact_registry"]["gb_month"]
        worker, database = self.prices["cloudflare_workers"]["paid_month"], self.prices["supabase"]["pro_month"]
        return [
            Line(
                "compute", f"{ticks:,} ticks of {woken:.2f} CPU s", self._service(woken * ticks, ticks), self._always()
            ),
            Line("schedule", "1 job", self.prices["cloud_scheduler"]["job_month"], 0.0),
            Line(
                "secrets and images",
                f"{assumed['secret_versions']} versions, {assumed['image_gb']:g} GB",
                secrets + images,
                secrets + images,
            ),
            Line("Worker", "the paid plan", worker, worker),
            Line("database", "Supabase Pro", database, database),
        ]

    def pages(self, pages: int) -> list[Line]:
        """Collect so many new pages by tickets, and embed them with the built-in model."""
        each = self.measured["collect"]["cpu_s_per_page"]
        tickets = pages // self.assumed["pages_per_ticket"]
        compute = [
            Line(
                f"compute: {name}", f"{pages * each[name]:,.0f} CPU s", self._service(pages * each[name], tickets), 0.0
            )
            for name in ("collection", "embedding")
        ]
        operations = 3 * 2 * tickets  # each of two queues: create, deliver, delete
        price = self.prices["cloud_tasks"]["operation"]
        blobs = pages * self.prices["cloud_storage"]["write"]
        return [
            *compute,
            Line("queues", f"{operations:,} operations", operations * price, 0.0),
            Line("bucket", f"{pages:,} writes, where a server can't send single files", blobs, 0.0),
        ]

    def answers(self, answers: int) -> list[Line]:
        """Answer so many questions with a hosted model, one at a time."""
        used = answers * self.measured["answers"]["cpu_s_per_answer"]["chat"]
        held = answers * self.assumed["answer_s"]
        read = answers * self.measured["answers"]["prompt_characters"] / self.assumed["characters_per_token"]
        written = answers * self.assumed["answer_tokens"]
        model = self.prices["model"]
        tokens = read * model["input_token"] + written * model["output_token"]
        worker = answers * self.prices["cloudflare_workers"]["request"]
        return [
            Line("compute: chat", f"{held:,.0f} s held, of them {used:,.0f} CPU s", self._held(held, answers), 0.0),
            Line("Worker", f"{answers:,} requests", worker, worker),
            Line("model tokens", f"{read:,.0f} read, {written:,} written", tokens, tokens),
        ]

    def switch(self, pages: int) -> list[Line]:
        """Embed every passage of so many pages anew, in the job."""
        chunks = pages * self.measured["collect"]["chunks_per_page"]
        used = chunks * self.measured["collect"]["embedding_cpu_s_per_chunk"]
        run = self.prices["cloud_run"]
        price = used * (run["job_vcpu_s"] + self.assumed["job_gib"] * run["job_gib_s"])
        return [Line("compute: job", f"{chunks:,.0f} chunks, {used:,.0f} CPU s", price, 0.0)]

    def _service(self, cpu_s: float, requests: float) -> float:
        """Price processor time in a service, whose vCPU is held longer than it is used."""
        return self._held(cpu_s * self.assumed["vcpu_s_per_cpu_s"], requests)

    def _held(self, seconds: float, requests: float) -> float:
        run: dict[str, float] = self.prices["cloud_run"]
        gib: float = self.assumed["service_gib"]
        billed = max(seconds, requests * BILLED_AT_LEAST_S)
        return billed * (run["service_vcpu_s"] + gib * run["service_gib_s"]) + requests * run["request"]

    def _always(self) -> float:
        """Price a container that is there all month."""
        run: dict[str, float] = self.prices["cloud_run"]
        assumed: dict[str, float] = self.assumed
        each_s = assumed["container_vcpu"] * run["job_vcpu_s"] + assumed["container_gib"] * run["job_gib_s"]
        return assumed["hours"] * 3600 * each_s


def dollars(amount: float) -> str:
    """Write an amount to the cent, smaller ones to two digits that say something: `$25.00`, `$0.0031`."""
    if amount == 0 or amount >= 0.1:
        return f"${amount:.2f}"
    return f"${amount:.{1 - math.floor(math.log10(amount))}f}"


def table(lines: list[Line]) -> str:
    """Write lines as a table with their sums."""
    rows = ["| | amount | Headwater | always-on container |", "|---|---|---:|---:|"]
    rows += [f"| {line.what} | {line.amount} | {dollars(line.ours)} | {dollars(line.theirs)} |" for line in lines]
    ours, theirs = sum(line.ours for line in lines), sum(line.theirs for line in lines)
    return "\n".join([*rows, f"| **together** | | **{dollars(ours)}** | **{dollars(theirs)}** |"])


def page(measured: Any, prices: Any) -> str:
    """Write the page."""
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

Written by `scripts/cost` from processor time measured on {measured["measured_on"]} (`python -m bench.cost`, model
{measured["embedding_model"]}, {collect["pages"]:,} pages of {collect["chunks_per_page"]:g} passages) and list prices in
US dollars as read on {prices["read_on"]} (`scripts/prices.toml`). Free quotas are not subtracted; a small installation
stays within most of them.

The container beside it has everything in it, on {assumed["container_vcpu"]} vCPU and {assumed["container_gib"]} GiB of
the same Cloud Run, always allocated, and the same database. Its compute is paid for in the idle month already, so what
it does costs nothing more there until it has to be larger.

## A month in which nobody asks

{table(costs.idle_month())}

On Cloud SQL's smallest instance instead of Supabase, the database is {dollars(prices["cloud_sql"]["small_month"])}.

## 1,000 collected pages

{table(costs.pages(1000))}

Collecting the same source again without a change took {unchanged["collection"]:.2f} CPU s in `collection`
and {unchanged["embedding"]:.2f} in `embedding`.

## 1,000 answers

{table(costs.answers(1000))}

The model is {prices["model"]["name"]}; without one (`extractive`), there are no tokens to pay for. Several answers at
once share the vCPU that one holds.

## A model switch with 1,000 pages

{table(costs.switch(1000))}

Only what the new model lacks is embedded, once; switching back costs nothing. With a hosted embedding model its tokens
come instead of the compute.

## What is assumed

- A request in a service holds its vCPU {assumed["vcpu_s_per_cpu_s"]:g} times as long as it uses it, waiting for the
  database; services have 1 vCPU and {assumed["service_gib"]:g} GiB at the most, job workers {assumed["job_gib"]:g} GiB.
- A model writes for {assumed["answer_s"]:g} s and {assumed["answer_tokens"]} tokens an answer; its prompt, measured at
  {measured["answers"]["prompt_characters"]:,} characters, has a token for {assumed["characters_per_token"]:g} of them.
- A month has {assumed["hours"]} hours; a tick finds every instance asleep, so each pays for a start
  ({measured["start_cpu_s"]["collection"]:.2f} CPU s).
- Traffic out, logs and what a database is asked beyond its plan are left out: they are the same on both sides.

## Free quotas

{quotas}

## Where the prices come from

{sources}
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(json.loads(MEASURED.read_text()), tomllib.loads(PRICES.read_text())))


if __name__ == "__main__":
    main()
