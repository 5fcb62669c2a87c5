"""slime: rewards by a custom function, and EMA-GRPO by its post-process hook.

::

    export REWARD_SERVICE_URL=http://rewards:8080 REWARD_SERVICE_RUN=job-42
    --custom-rm-path trainer_client.adapters.slime.reward        # with or without --group-rm
    --reward-key reward
    --custom-reward-post-process-path trainer_client.adapters.slime.advantages
    --advantage-estimator grpo

`reward` needs the extra `async`. A sample's label is the ground truth, or the JSON of an object
with `kind`, `ground_truth` and what else the kind needs; its metadata may hold any of these too.
Without our package this does for the rewards (`http://x:KEY@rewards:8080/…` where the service asks
for keys; the user may be anyone)::

    --rm-type remote_rm --reward-key reward
    --rm-url 'http://rewards:8080/compat/slime?detail=true&kind=math'

Without `detail` the answer is a bare number, which cannot say that there is no verdict: the hook
takes it for a reward.

slime knows no sample without a reward. One that could not be scored carries the reward
`REWARD_SERVICE_UNSCORED` (0 unless you choose; `group_mean` needs `--group-rm`, `raise` ends the
rollout) with `scored` 0 and is removed from the loss (`remove_sample`). slime's own normalisation
counts it in its group all the same; `advantages` keeps it out of the group's mean and out of the
moving averages, be it scored by `reward` or through the URL.

With a similarity model and a spec that normalises within a group, use `--group-rm`: a sample
asked about alone is a group of its own.
"""

import logging
from collections.abc import Sequence
from typing import Any

from trainer_client.aio import shared_async_client
from trainer_client.client import shared_client
from trainer_client.counting import StepCounter
from trainer_client.errors import RewardRefused
from trainer_client.options import Options
from trainer_client.rows import read_item, refused, task_of
from trainer_client.stand_ins import stand_in
from trainer_client.wire.items import Item
from trainer_client.wire.rewards import ItemResult

log = logging.getLogger(__name__)

steps = StepCounter()


async def reward(args: Any, sample: Any, **_: Any) -> Any:
    """Score one sample, or the list of a group: a dictionary for each, its number in `reward`."""
    del args
    if isinstance(sample, Sequence):
        return await _score(sample)
    return (await _score([sample]))[0]


async def _score(samples: Sequence[Any]) -> list[dict[str, float]]:
    if not samples:
        return []
    options = Options.read({}, unscored=0.0)
    items = [_item(sample, options) for sample in samples]
    try:
        results = (await shared_async_client(None).reward(items, spec=options.spec)).results
    except RewardRefused as error:
        results = refused(items, error)
    for sample, result in zip(samples, results, strict=True):
        if not result.scored:
            log.error("a sample was not scored and is left out: %s", result.error)
            sample.remove_sample = True
    groups = [item.group if len(items) > 1 else None for item in items]
    rewards = stand_in([result.reward for result in results], groups, options.unscored)
    return [_told(*pair) for pair in zip(rewards, results, strict=True)]


def _item(sample: Any, options: Options) -> Item:
    row = {"ground_truth": None, **(sample.metadata or {}), "prompt": sample.prompt}
    if sample.label is not None:
        row["ground_truth"] = sample.label
    if sample.group_index is not None:
        row["group"] = sample.group_index
    return read_item(row, sample.response, kind=options.kind)


def _told(reward: float, result: ItemResult) -> dict[str, float]:
    return {
        "reward": reward,
        "accuracy": result.accuracy or 0.0,
        "format": result.format or 0.0,
        "structure": result.structure or 0.0,
        "scored": float(result.scored),
    }


def advantages(args: Any, samples: Sequence[Any], **_: Any) -> tuple[list[float], list[float]]:
    """Return the rewards as they are and the advantages that slime trains with.

    Each call takes the next step of the run. Rewind the run first when you resume from an
    older checkpoint.
    """
    options = Options.read({})
    items = [_item(sample, options) for sample in samples]
    told = [_reward_of(sample, args) for sample in samples]
    rewards = [
        reward if _is_scored(sample) else None for sample, reward in zip(samples, told, strict=True)
    ]
    for sample, reward in zip(samples, rewards, strict=True):
        sample.remove_sample = sample.remove_sample or reward is None
    client, run = shared_client(None), options.run_name()
    answer = client.advantage(
        run=run,
        step=steps.next(client, run),
        rewards=rewards,
        groups=[str(item.group) for item in items],
        tasks=[task_of(item) for item in items],
        spec=options.spec,
    )
    return told, [a or 0.0 for a in answer.advantages]


def _reward_of(sample: Any, args: Any) -> float:
    told = sample.reward
    return float(told[args.reward_key or "reward"] if isinstance(told, dict) else told)


def _is_scored(sample: Any) -> bool:
    return not isinstance(sample.reward, dict) or bool(sample.reward.get("scored", 1.0))
