"""POLAR on one device, behind the `SimilarityModel` port."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rewards.backends.polar_transformers.checkpoint import Checkpoint, Shape
from rewards.backends.polar_transformers.jobs import Answer
from rewards.backends.polar_transformers.lane import CLOSED, Lane, LaneOptions
from rewards.backends.polar_transformers.llama import RewardLlama
from rewards.backends.polar_transformers.packing import Passage
from rewards.backends.polar_transformers.tokeniser import PolarTokeniser
from rewards.backends.polar_transformers.weights import read_tensors
from rewards.errors import BadModel, ModelFailed, OutOfTime
from rewards.ports import Comparison, Health

UNSTARTED = "the model has not been started"
WARM_UP = (
    Comparison("What is the capital of China?", "Beijing.", "Beijing."),
    Comparison("What is the capital of China?", "Beijing.", "Shanghai is its largest city."),
)


@dataclass(frozen=True, slots=True)
class PolarOptions:
    """Where and how a checkpoint is scored.

    `dtype` is `fp32`, `bf16`, `fp16`, or `auto`: bf16 on a GPU, fp32 elsewhere. `batch_tokens`
    bounds what one forward pass computes, after sharing; `name` is what results call the model.
    """

    device: str = "cpu"
    dtype: str = "auto"
    batch_tokens: int = 16_384
    share_prefixes: bool = True
    name: str | None = None


class PolarTransformers:
    """Scores comparisons with a POLAR checkpoint; `start` verifies it before anything is scored."""

    def __init__(self, folder: Path, options: PolarOptions | None = None) -> None:
        self._folder = folder
        self._options = options or PolarOptions()
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="polar-encode")
        self._encode_s = 0.0
        self._tokeniser: PolarTokeniser | None = None
        self._lane: Lane | None = None
        self._closed = False

    @property
    def scorer(self) -> str:
        """`polar:` and the model's name, by default that of its folder."""
        return f"polar:{self._options.name or self._folder.resolve().name}"

    async def start(self) -> None:
        """Read, verify and warm up; raises `BadModel` with one line about what is amiss."""
        await asyncio.get_running_loop().run_in_executor(self._encoder, self._load)

    async def compare(
        self, comparisons: Sequence[Comparison], *, deadline: float | None = None
    ) -> list[Answer]:
        """Score each comparison in order; equal ones are computed once."""
        if self._lane is None or self._tokeniser is None or self._closed:
            return [ModelFailed(CLOSED if self._closed else UNSTARTED)] * len(comparisons)
        unique = list(dict.fromkeys(comparisons))
        passages = await asyncio.get_running_loop().run_in_executor(
            self._encoder, self._encode, self._tokeniser, unique
        )
        answers = await _gather(self._lane, passages, deadline)
        by_comparison = dict(zip(unique, answers, strict=True))
        return [by_comparison[comparison] for comparison in comparisons]

    def health(self) -> Health:
        """Ready once started, for as long as batches come back with scores."""
        if self._lane is None:
            return Health(ready=False, reason=UNSTARTED)
        return self._lane.health()

    def usage(self) -> Mapping[str, float]:
        """The lane's totals and levels, and the seconds spent turning text into tokens."""
        lane = self._lane.usage() if self._lane else {}
        return dict(lane) | {"encode_seconds": self._encode_s}

    async def close(self) -> None:
        """Finish the batch on the device, if there is one, and end both threads."""
        self._closed = True
        if self._lane is not None:
            await asyncio.to_thread(self._lane.close)
        self._encoder.shutdown(wait=False)

    def _load(self) -> None:
        checkpoint = Checkpoint.read(self._folder)
        shape, options = checkpoint.shape, self._options
        tokeniser = PolarTokeniser.read(self._folder, positions=shape.positions)
        _check_agreement(tokeniser, shape)
        model = RewardLlama(shape, device=options.device, dtype=options.dtype)
        model.load(read_tensors(checkpoint.weights))
        warm_up = self._encode(tokeniser, WARM_UP)
        model.verify(warm_up)
        self._tokeniser = tokeniser
        self._lane = Lane(
            model, warm_up[0], LaneOptions(options.batch_tokens, options.share_prefixes)
        )

    def _encode(
        self, tokeniser: PolarTokeniser, comparisons: Iterable[Comparison]
    ) -> list[Passage]:
        started = time.monotonic()
        passages = [tokeniser.read_parts(c.prompt, c.reference, c.output) for c in comparisons]
        self._encode_s += time.monotonic() - started
        return passages


def _check_agreement(tokeniser: PolarTokeniser, shape: Shape) -> None:
    if tokeniser.reward_token != shape.reward_token:
        raise BadModel(
            f"config.json says reward_token_id {shape.reward_token},"
            f" the tokenizer {tokeniser.reward_token}"
        )
    if tokeniser.vocabulary.size > shape.vocabulary:
        raise BadModel(
            f"the tokenizer has {tokeniser.vocabulary.size} tokens,"
            f" config.json a vocabulary of {shape.vocabulary}"
        )


async def _gather(lane: Lane, passages: Sequence[Passage], deadline: float | None) -> list[Answer]:
    """Wait for all answers, until the deadline; whatever is left over then is cancelled."""
    if not passages:
        return []
    waiting = [asyncio.wrap_future(future) for future in lane.submit(passages, deadline)]
    left_s = None if deadline is None else max(0.0, deadline - time.monotonic())
    try:
        done, _ = await asyncio.wait(waiting, timeout=left_s)
    finally:
        for future in waiting:
            future.cancel()
    late = OutOfTime("the deadline came before the score")
    return [future.result() if future in done else late for future in waiting]
