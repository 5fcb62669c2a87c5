r"""ms-swift: reward plugins, called and awaited.

::

    swift rlhf --rlhf_type grpo --external_plugins /path/to/trainer_client/adapters/ms_swift.py \
        --reward_funcs reward_service        # or reward_service_async, with the extra async

    export REWARD_SERVICE_URL=http://rewards:8080

The dataset needs `kind` (or `problem_type`) and `ground_truth` (or `solution`); rollouts of one
`prompt_id` are one group. ms-swift counts a reward of `None` as 0 inside the group's mean, so
what could not be scored gets the mean of its group instead, which gives it no advantage; set
`REWARD_SERVICE_UNSCORED` to a number, or to `raise`, if you prefer.

ms-swift calls on every rank with the rank's own part of the batch. Where a group lies on several
ranks, its mean is that of a part, and a similarity model places scores within a part only: let
`per_device_train_batch_size` be a multiple of `num_generations`, or, with a similarity model,
choose a spec whose `similarity_normalisation` is not `group_minmax`.

For EMA-GRPO name a run, and let ms-swift only subtract the group's mean::

    export REWARD_SERVICE_RUN=job-42
    --scale_rewards none

Each reward is then divided by its task's deviation as it stood before the trainer's step. Every
rollout that is scored moves the averages, those of evaluation and of dynamic sampling too: train
without either.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from trainer_client.aio import AsyncRewardClient
from trainer_client.client import RewardClient
from trainer_client.errors import BadCall, RewardRefused
from trainer_client.options import Options
from trainer_client.rows import read_item, refused, response_of, rows_of
from trainer_client.stand_ins import stand_in
from trainer_client.wire.items import Item
from trainer_client.wire.rewards import ItemResult


class _Plugin:
    def __init__(self, args: Any = None, **_: Any) -> None:
        self.args = args
        self.options = Options.read({}, unscored="group_mean")

    def _items(self, completions: Sequence[Any], columns: dict[str, Any]) -> list[Item]:
        rows = rows_of(columns, len(completions))
        items = [
            read_item(_with_prompt(row), response_of(completion), kind=self.options.kind)
            for row, completion in zip(rows, completions, strict=True)
        ]
        if self.options.run is None:
            return items
        named = zip(items, _names(columns, len(items)), strict=True)
        return [replace(item, id=name) for item, name in named]

    def _terms(self, columns: dict[str, Any]) -> dict[str, Any]:
        if self.options.run is None:
            return {"spec": self.options.spec}
        state = columns.get("trainer_state")
        if state is None:
            raise BadCall("expected trainer_state, which numbers the steps of the run")
        scaled = {"run": self.options.run, "step": state.global_step, "scale": "ema"}
        return {"spec": self.options.spec, **scaled}

    def _told(self, items: Sequence[Item], results: Sequence[ItemResult]) -> list[float]:
        scaled = self.options.run is not None
        rewards = [result.scaled_reward if scaled else result.reward for result in results]
        return stand_in(rewards, [item.group for item in items], self.options.unscored)


def _with_prompt(row: dict[str, Any]) -> dict[str, Any]:
    # The last of the messages is the completion.
    return {"prompt": row["messages"][:-1], **row} if "messages" in row else row


def _names(columns: dict[str, Any], count: int) -> list[str]:
    requests = columns.get("request_id")
    if requests is not None and len(requests) == count:
        return list(map(str, requests))
    rank = os.environ.get("RANK", "0")
    return [f"{rank}/{position}" for position in range(count)]


class RewardService(_Plugin):
    """Scores the completions of a batch."""

    def __init__(self, args: Any = None, **options: Any) -> None:
        super().__init__(args, **options)
        self.client = RewardClient()

    def __call__(self, completions: Sequence[Any], **columns: Any) -> list[float]:
        """Return one reward for each completion."""
        if not completions:
            return []
        items = self._items(completions, columns)
        try:
            results = (self.client.reward(items, **self._terms(columns))).results
        except RewardRefused as error:
            results = refused(items, error)
        return self._told(items, results)


class AsyncRewardService(_Plugin):
    """Scores the completions of a batch while other plugins do."""

    def __init__(self, args: Any = None, **options: Any) -> None:
        super().__init__(args, **options)
        self.client = AsyncRewardClient()

    async def __call__(self, completions: Sequence[Any], **columns: Any) -> list[float]:
        """Return one reward for each completion."""
        if not completions:
            return []
        items = self._items(completions, columns)
        try:
            results = (await self.client.reward(items, **self._terms(columns))).results
        except RewardRefused as error:
            results = refused(items, error)
        return self._told(items, results)


PLUGINS = {"reward_service": RewardService, "reward_service_async": AsyncRewardService}


def register() -> None:
    """Make the plugins known to ms-swift."""
    from swift.rewards import orms

    orms.update(PLUGINS)


if find_spec("swift") is not None:
    register()
