"""Resume answers at random points on two instances that are killed meanwhile: no text may be lost or doubled.

    python -m bench.resumes [--resumes N] [--kill-every-s N] [--seed N]

A third of the clients each is a plain reader of server-sent events, the AI SDK's `Chat` (of `useChat`), and a WebSocket
client of the Worker. Each final text must equal the model's. Run it in parts, with another seed each.
"""

import argparse
import shlex
import sys
import threading
import time

import httpx

from bench.busy_instance import add_document
from tests.fakes.chat_provider import fake_provider
from tests.harness.resume_trial import Instances, Trial
from tests.harness.stacks import running_stack, temporary_data

PIECES = [f"word{n} é😀 " for n in range(60)] + ["[1]."]


def kill(instances: Instances, every_s: float, is_over: threading.Event) -> None:
    """Kill the two instances in turn until the trial is over."""
    while not is_over.is_set():
        with instances.second() as kill_second:
            is_over.wait(every_s)
            instances.kill_first()
            is_over.wait(every_s)
            if not is_over.is_set():
                kill_second()
                instances.end_leases()


def main() -> None:
    """Run a trial and print what was seen."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.resumes", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--resumes", type=int, default=1000, help="default: 1000")
    parser.add_argument("--kill-every-s", type=float, default=10, help="seconds between kills; default: 10")
    parser.add_argument("--seed", type=int, default=1, help="default: 1")
    options = parser.parse_args()
    with fake_provider() as provider, temporary_data() as data:
        provider.pieces, provider.piece_s, provider.continues = PIECES, 0.02, True
        data.mkdir()
        settings = {"CHAT_MODEL": "openai:fake", "OPENAI_BASE_URL": f"{provider.url}/v1", "CHAT_TITLES": "false"}
        (data / ".env").write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items()))
        with running_stack(data, "--embedding-model", "constant") as stack:
            with httpx.Client(base_url=stack.url, headers=stack.authorization, timeout=60, trust_env=False) as client:
                add_document(client, data / "repository")
            instances, is_over = Instances(stack), threading.Event()
            trial, began = Trial(instances, "".join(PIECES), options.seed), time.monotonic()
            killer = threading.Thread(target=kill, args=(instances, options.kill_every_s, is_over))
            killer.start()
            try:
                trial.run(options.resumes)
            finally:
                is_over.set()
                killer.join()
    print(f"{time.monotonic() - began:.0f} s, {instances.kills} kills")
    for name, count in sorted(trial.counts.items()):
        print(f"  {name}: {count}")
    print(f"  wrong: {len(trial.failures)}")
    print("\n".join(trial.failures[:20]))
    sys.exit(bool(trial.failures))


if __name__ == "__main__":
    main()
