"""Four times as much as the service can do: it does what it can and refuses the rest at once.

Run as `python -m tests.benchmarks.load.overload [SECONDS]`.
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from tests.benchmarks.load.arrivals import Answer, Arrivals, percentile
from tests.benchmarks.load.watch import Holding, Watch, holding
from tests.e2e.running import Running, running

OUTPUT = Path("build/bench/overload.json")
SECONDS, PEAK_SECONDS, WARM_UP_S, TIMES = 60.0, 15.0, 1.0, 4.0
ITEMS, CALLERS = 16, 8
WAITING_ITEMS, ACTIVE_ITEMS = 256, 64
OPTIONS = ("--max-waiting-items", str(WAITING_ITEMS), "--max-active-items", str(ACTIVE_ITEMS))
OVERLOADED, SCORED = 429, 200
REFUSED_WITHIN_MS = 50.0


def batch(number: int) -> bytes:
    """Small bodies that a worker has to think about, none of them twice."""
    items = [
        {
            "kind": "math",
            "response": f"<think>t</think><answer>$\\sqrt{{{4 * seed + 8}}} + {seed}$</answer>",
            "ground_truth": f"${seed} + 2\\sqrt{{{seed + 2}}}$",
        }
        for seed in range(number * ITEMS, (number + 1) * ITEMS)
    ]
    return orjson.dumps({"items": items, "run": f"r{number % 4}"})


@dataclass(frozen=True, slots=True)
class Overload:
    """What came of it; times in milliseconds, throughput in batches a second."""

    offered: int
    statuses: dict[int, int]
    without_retry_after: int
    peak_per_s: float
    offered_per_s: float
    goodput_per_s: float
    refused_p99_ms: float
    scored_p99_ms: float
    most_waiting_items: float
    probe_p99_ms: dict[str, float]
    probes_refused: list[str]
    before: Holding
    after: Holding

    @property
    def longest_turn_ms(self) -> float:
        """How long a full house takes at the peak, and a fifth more."""
        return 1.2 * 1000 * (WAITING_ITEMS + ACTIVE_ITEMS + ITEMS) / (ITEMS * self.peak_per_s)

    def broken(self) -> list[str]:
        """What was promised and not kept."""
        probes = f"{self.probe_p99_ms}, {self.probes_refused[:3]}"
        kept = {
            f"only 200 and 429: {self.statuses}": set(self.statuses) <= {SCORED, OVERLOADED},
            f"Retry-After on every refusal: {self.without_retry_after} without": (
                not self.without_retry_after
            ),
            f"at most {WAITING_ITEMS} items wait: {self.most_waiting_items}": (
                self.most_waiting_items <= WAITING_ITEMS
            ),
            f"429 within {REFUSED_WITHIN_MS:.0f} ms: {self.refused_p99_ms:.1f} ms": (
                self.refused_p99_ms <= REFUSED_WITHIN_MS
            ),
            f"200 within {self.longest_turn_ms:.0f} ms: {self.scored_p99_ms:.0f} ms": (
                self.scored_p99_ms <= self.longest_turn_ms
            ),
            f"goodput of 90 % of the peak: {self.goodput_per_s / self.peak_per_s:.0%}": (
                self.goodput_per_s >= 0.9 * self.peak_per_s
            ),
            f"memory within 64 MiB: {self.before} -> {self.after}": (
                self.after.rss_mib - self.before.rss_mib <= 64
            ),
            f"probes within 100 ms: {probes}": (
                max(self.probe_p99_ms.values()) < 100 and not self.probes_refused
            ),
        }
        return [promise for promise, holds in kept.items() if not holds]


async def overload(
    service: Running, *, per_s: float, seconds: float, peak: float = 0.0
) -> Overload:
    """Offer so many batches a second, and see what becomes of them and of the service."""
    await peak_of(service, WARM_UP_S)
    before = holding(service.process.pid)
    arrivals = Arrivals(f"{service.url}/reward", batch, sent=10**6)
    with Watch(service.url) as watch:
        answers = await arrivals.open_loop(per_s=per_s, seconds=seconds)
    refused, scored = by_status(answers, OVERLOADED), by_status(answers, SCORED)
    last = max(answer.due_s + answer.latency_s for answer in answers)
    return Overload(
        offered=int(per_s * seconds),
        statuses=dict(Counter(answer.status for answer in answers)),
        without_retry_after=sum(not (answer.retry_after or "").isdecimal() for answer in refused),
        peak_per_s=peak,
        offered_per_s=per_s,
        goodput_per_s=len(scored) / (last - answers[0].due_s),
        refused_p99_ms=1000 * percentile([answer.latency_s for answer in refused], 0.99),
        scored_p99_ms=1000 * percentile([answer.latency_s for answer in scored], 0.99),
        most_waiting_items=watch.most.get("reward_admission_waiting_items", 0.0),
        probe_p99_ms={p: 1000 * percentile(s, 0.99) for p, s in watch.latencies_s.items()},
        probes_refused=watch.refused,
        before=before,
        after=holding(service.process.pid),
    )


def by_status(answers: Sequence[Answer], status: int) -> list[Answer]:
    """The answers of one status."""
    return [answer for answer in answers if answer.status == status]


async def peak_of(service: Running, seconds: float) -> float:
    """Batches a second that callers get who wait for their answers."""
    arrivals = Arrivals(f"{service.url}/reward", batch)
    answers = await arrivals.closed_loop(callers=CALLERS, seconds=seconds)
    return len(by_status(answers, SCORED)) / seconds


def main() -> None:
    """Measure the peak, offer four times as much, and say what was kept of what was promised."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    with running(*OPTIONS) as service:
        peak = asyncio.run(peak_of(service, PEAK_SECONDS))
        found = asyncio.run(overload(service, per_s=TIMES * peak, seconds=seconds, peak=peak))
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    told = json.dumps(asdict(found), indent=1)
    OUTPUT.write_text(told + "\n", encoding="utf-8")
    sys.stdout.write(f"{told}\n")
    if broken := found.broken():
        raise SystemExit("\n".join(broken))


if __name__ == "__main__":
    main()
