"""TRL: advantages of EMA-GRPO, or of any estimator of the service, for `GRPOTrainer`.

Exactly, over the whole batch::

    from trainer_client.adapters.trl_advantages import ServiceAdvantages

    class Trainer(ServiceAdvantages, GRPOTrainer):
        service_url, service_run = "http://rewards:8080", "job-42"

    trainer = Trainer(..., reward_funcs=RewardFunction("http://rewards:8080"))

Where the trainer's class cannot be chosen, by scaled rewards: TRL subtracts the group's mean and
that comes to the same. Every call of such a function takes a step of the run, evaluation's calls
too, so train with `eval_strategy="no"`. When training resumes from a checkpoint, the first rank
puts the run back and the others wait for that::

    rewards = RewardFunction("http://rewards:8080")
    scaled = ScaledRewards(rewards, "http://rewards:8080", run="job-42")
    trainer = GRPOTrainer(..., args=GRPOConfig(scale_rewards="none"), reward_funcs=scaled)
"""

import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from trainer_client.client import RewardClient
from trainer_client.config import ClientConfig
from trainer_client.counting import NOT_FOUND, last_step
from trainer_client.errors import BadCall, ClientError, RewardRefused
from trainer_client.rows import read_item, rows_of, task_of
from trainer_client.wire.advantages import AdvantageResponse, Shard

log = logging.getLogger(__name__)

BATCHES_PER_STEP = 1000
"""Most generation batches in one optimizer step; each is a step of the run."""


PAUSE_S = 0.5


class StepNumbers:
    """Numbers for the steps of a run that grow with the trainer's and survive its checkpoints."""

    def __init__(self) -> None:
        self.global_step, self.batch = -1, 0

    def next(self, global_step: int) -> int:
        """Number the next generation batch, made after `global_step` optimizer steps.

        >>> numbers = StepNumbers()
        >>> numbers.next(7), numbers.next(7), numbers.next(8)
        (7000, 7001, 8000)
        """
        self.batch = self.batch + 1 if global_step == self.global_step else 0
        self.global_step = global_step
        return global_step * BATCHES_PER_STEP + self.batch


class ScaledRewards:
    """A reward function's rewards, divided by the scale of their task.

    Each rank sends its part of the batch, and the step is taken when all parts are there. `kind`
    serves datasets without that column. Raises `ClientError` where there is no scale: none is
    guessed.
    """

    def __init__(
        self,
        rewards: Callable[..., Sequence[float | None]],
        where: ClientConfig | str | None = None,
        *,
        run: str,
        kind: str | None = None,
        estimator: str = "ema_grpo",
        spec: str | None = None,
    ) -> None:
        self.rewards, self.client = rewards, RewardClient(where)
        self.run, self.kind, self.estimator, self.spec = run, kind, estimator, spec
        self.steps = StepNumbers()
        self.__name__ = "scaled_reward_service"

    def __call__(
        self, prompts: Sequence[Any], trainer_state: Any = None, **columns: Any
    ) -> list[float | None]:
        """Return one scaled reward for each completion, `None` where there is no verdict."""
        if trainer_state is None:
            raise BadCall("expected trainer_state, which numbers the steps of the run")
        rewards = self.rewards(prompts=prompts, trainer_state=trainer_state, **columns)
        rows = rows_of({**columns, "prompt": prompts}, len(prompts))
        items = [read_item(row, "", kind=self.kind) for row in rows]
        if self.steps.global_step < 0 < trainer_state.global_step:
            self._resume(trainer_state.global_step)
        answer = self.client.advantage(
            run=self.run,
            step=self.steps.next(trainer_state.global_step),
            rewards=rewards,
            groups=[item.group or "" for item in items],
            tasks=[task_of(item) for item in items],
            estimator=self.estimator,
            spec=self.spec,
            shard=_shard(),
        )
        return list(answer.scaled_rewards)

    def _resume(self, global_step: int) -> None:
        shard, ends_at = _shard(), time.monotonic() + self.client.config.budget_s
        if shard is None or shard.index == 0:
            _resume(self.client, self.run, global_step)
            return
        # The first rank rewinds; until then the part of any other belongs to a step of the past.
        while last_step(self.client, self.run) >= global_step * BATCHES_PER_STEP:
            if time.monotonic() > ends_at:
                raise BadCall(f"rank 0 has not put the run {self.run!r} back to its checkpoint")
            time.sleep(PAUSE_S)


def _shard() -> Shard | None:
    count = int(os.environ.get("WORLD_SIZE", "1"))
    return Shard(int(os.environ.get("RANK", "0")), count) if count > 1 else None


@dataclass(frozen=True, slots=True)
class Batch:
    """The global generation batch: rewards by function (n, functions), and tasks (n,)."""

    rewards: Any
    tasks: list[str]


class ServiceAdvantages:
    """Mixed in before `GRPOTrainer`: its training advantages come from a run of the service.

    The main process sends the rewards of the whole global batch, weighted and summed as TRL
    does, in TRL's own groups, and every process takes its part of the answer. TRL's scaling has
    no effect then; its logs of rewards stay as they are, and evaluation is left alone. When
    training resumes from a checkpoint, the run is first put back to where it stood there.
    """

    service_url: ClientConfig | str | None = None
    service_run: str
    service_kind: str | None = None
    service_estimator = "ema_grpo"
    service_spec: str | None = None

    def _calculate_rewards(self: Any, inputs: Any, prompts: Any, completions: Any, ids: Any) -> Any:
        from accelerate.utils import gather_object

        rewards = super()._calculate_rewards(inputs, prompts, completions, ids)  # type: ignore[misc] # TRL's
        tasks = [task_of(read_item(row, "", kind=self.service_kind)) for row in inputs]
        self._batch = Batch(rewards, gather_object(tasks))
        return rewards

    def _generate_and_score_completions(self: Any, inputs: Any) -> Any:
        output = super()._generate_and_score_completions(inputs)  # type: ignore[misc] # TRL's
        if self.model.training:
            everywhere = self._service_advantages()
            first = self.accelerator.process_index * len(inputs)
            mine = everywhere[first : first + len(inputs)]
            output["advantages"] = output["advantages"].new_tensor(mine)
            _replace_last(self._logs["advantages"], everywhere)
        return output

    def _service_advantages(self: Any) -> list[float]:
        from accelerate.utils import broadcast_object_list

        outcome: list[AdvantageResponse | ClientError | None] = [None]
        if self.accelerator.is_main_process:
            try:
                outcome = [self._take_step()]
            except ClientError as error:
                outcome = [error]
        broadcast_object_list(outcome)
        answer = outcome[0]
        if not isinstance(answer, AdvantageResponse):
            # Every process raises: one that waits for the others would wait for ever.
            raise answer or BadCall("the main process sent no advantages")
        for task, moments in answer.tasks.items():
            self._metrics["train"][f"sigma/{task}"].append(moments.std)
        return [advantage or 0.0 for advantage in answer.advantages]

    def _take_step(self: Any) -> AdvantageResponse:
        global_step = self.state.global_step
        if not hasattr(self, "_service_client"):
            self._service_client, self._step_numbers = RewardClient(self.service_url), StepNumbers()
            if global_step:
                _resume(self._service_client, self.service_run, global_step)
        rewards = _weighted(self._batch.rewards, self.reward_weights)
        answer: AdvantageResponse = self._service_client.advantage(
            run=self.service_run,
            step=self._step_numbers.next(global_step),
            rewards=rewards,
            groups=[str(at // self.num_generations) for at in range(len(rewards))],
            tasks=self._batch.tasks,
            estimator=self.service_estimator,
            spec=self.service_spec,
        )
        return answer


def _weighted(rewards: Any, weights: Any) -> list[float | None]:
    unscored = rewards.isnan().all(dim=1)
    sums = (rewards * weights.to(rewards.device)).nansum(dim=1)
    return [
        None if nothing else value
        for nothing, value in zip(unscored.tolist(), sums.tolist(), strict=True)
    ]


def _resume(client: RewardClient, run: str, global_step: int) -> None:
    try:
        client.rewind(run, global_step * BATCHES_PER_STEP - 1)
    except RewardRefused as error:
        if error.status != NOT_FOUND:
            raise
        log.warning("the service has no run %r; its moving averages begin at this step", run)


def _replace_last(logged: Any, values: Sequence[float]) -> None:
    for _ in range(min(len(logged), len(values))):
        logged.pop()
    logged.extend(values)
