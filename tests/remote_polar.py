"""A POLAR model on servers of this machine, started and ready to be asked."""

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager

from rewards.backends.polar_http.addresses import Addresses
from rewards.backends.polar_http.model import PolarHttp
from rewards.backends.polar_http.options import HttpOptions
from rewards.ports import Comparison
from rewards.text.polar_prompt import PolarPrompt
from tests.model_servers import score_of, serving

QUICK = HttpOptions(
    first_pause_s=0.01,
    longest_pause_s=0.02,
    call_timeout_s=5.0,
    probe_every_s=0.05,
    probe_timeout_s=2.0,
    busy_probe_timeout_s=2.0,
)
ITEMS = [Comparison(f"question {i % 3}", "truth", f"answer {i}") for i in range(10)]
PATIENCE_S = 20


def expected(items):
    """What an honest server says."""
    return [score_of(PolarPrompt.of(i.prompt, i.reference, i.output).spell()) for i in items]


@asynccontextmanager
async def polar(dialect="vllm", *, servers=1, options=QUICK, tokeniser=None):
    """A started model and the servers it talks to."""
    async with AsyncExitStack() as stack:
        started = [await stack.enter_async_context(serving(dialect)) for _ in range(servers)]
        line = f"http+{dialect}://" + ",".join(server.address for server in started)
        model = PolarHttp(Addresses.read(line), tokeniser=tokeniser, options=options)
        stack.push_async_callback(model.close)
        await model.start()
        yield model, started


async def until(holds):
    """Wait for something to become true; False if it does not in good time."""
    give_up = time.monotonic() + PATIENCE_S
    while not holds() and time.monotonic() < give_up:  # noqa: ASYNC110 - the model has no event
        await asyncio.sleep(0.01)
    return holds()
