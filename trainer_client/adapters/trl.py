"""TRL: rewards for `GRPOTrainer` from the service.

::

    from trainer_client.adapters.trl import RewardFunction
    trainer = GRPOTrainer(..., reward_funcs=RewardFunction("http://rewards:8080"))

or `AsyncRewardFunction(...)`, which TRL awaits beside other asynchronous functions (before TRL 1.16
pass `AsyncRewardFunction(...).score`) and which needs the extra `async`. The dataset needs the
columns `kind` (or `problem_type`) and `ground_truth` (or `solution`, `answer`). What could not be
scored is `None`, which TRL keeps out of the group's mean and gives no advantage.

TRL calls on every rank with the rank's own part of the batch. Where a group lies on several ranks,
a similarity model places scores within a part of it only: let `per_device_train_batch_size` be a
multiple of `num_generations`, or choose a spec whose `similarity_normalisation` is not
`group_minmax`. Other kinds score each rollout for itself.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from trainer_client.aio import AsyncRewardClient
from trainer_client.client import RewardClient
from trainer_client.config import ClientConfig
from trainer_client.errors import ClientError, RewardRefused, RewardUnavailable
from trainer_client.rows import read_item, response_of, rows_of
from trainer_client.wire.items import Item
from trainer_client.wire.rewards import RewardResponse

log = logging.getLogger(__name__)

Rewards = list[float | None]
LogExtra = Callable[[str, list[Any]], None] | None
LogMetric = Callable[[str, float], None] | None


class _Scoring:
    def __init__(
        self,
        where: ClientConfig | str | None = None,
        *,
        kind: str | None = None,
        spec: str | None = None,
        lost_batches: int = 3,
    ) -> None:
        self.config = ClientConfig.of(where)
        self.kind, self.spec = kind, spec
        self.lost_batches, self._lost = lost_batches, 0
        self.__name__ = "reward_service"

    def _items(
        self, prompts: Sequence[Any], completions: Sequence[Any], columns: Any
    ) -> list[Item]:
        rows = rows_of({**columns, "prompt": prompts}, len(prompts))
        return [
            read_item(row, response_of(completion), kind=self.kind)
            for row, completion in zip(rows, completions, strict=True)
        ]

    def _found(
        self, response: RewardResponse, log_extra: LogExtra, log_metric: LogMetric
    ) -> Rewards:
        self._lost = 0
        if log_extra is not None:
            log_extra("accuracy", response.accuracy)
            log_extra(
                "reason", [r.error.message if r.error else r.reason for r in response.results]
            )
        if log_metric is not None:
            log_metric("reward_service/unscored", len(response.unscored) / len(response.results))
        return response.rewards

    def _without(self, error: ClientError, count: int, log_metric: LogMetric) -> Rewards:
        # One rank's batch may be one prompt, and that a bad row: no other rank would raise.
        bad_rows = isinstance(error, RewardRefused) and bool(error.items)
        self._lost += 1
        if self._lost > self.lost_batches or not (bad_rows or isinstance(error, RewardUnavailable)):
            raise error
        log.error("a batch of %d rollouts has no rewards and teaches nothing: %s", count, error)
        if log_metric is not None:
            log_metric("reward_service/unscored", 1.0)
        return [None] * count


class RewardFunction(_Scoring):
    """Scores a batch of completions; pickles, and connects at its first call.

    `kind` serves datasets without that column. Up to `lost_batches` batches in a row may go
    unscored while the service is away, or refuses each of their rows; the next one raises.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.client = RewardClient(self.config)

    def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        log_extra: LogExtra = None,
        log_metric: LogMetric = None,
        **columns: Any,
    ) -> Rewards:
        """Return one reward for each completion, `None` where there is no verdict."""
        if not prompts:
            return []
        items = self._items(prompts, completions, columns)
        try:
            response = self.client.reward(items, spec=self.spec)
        except (RewardRefused, RewardUnavailable) as error:
            return self._without(error, len(items), log_metric)
        return self._found(response, log_extra, log_metric)


class AsyncRewardFunction(_Scoring):
    """What `RewardFunction` does, awaited."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.client = AsyncRewardClient(self.config)

    async def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        log_extra: LogExtra = None,
        log_metric: LogMetric = None,
        **columns: Any,
    ) -> Rewards:
        """Return one reward for each completion, `None` where there is no verdict."""
        if not prompts:
            return []
        items = self._items(prompts, completions, columns)
        try:
            response = await self.client.reward(items, spec=self.spec)
        except (RewardRefused, RewardUnavailable) as error:
            return self._without(error, len(items), log_metric)
        return self._found(response, log_extra, log_metric)

    score = __call__
