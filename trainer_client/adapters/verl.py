"""verl: rewards for each trajectory, and EMA-GRPO advantages on the driver.

A reward function::

    reward.custom_reward_function.path=pkg://trainer_client.adapters.verl
    reward.custom_reward_function.name=compute_score
    +reward.custom_reward_function.reward_kwargs.url=http://rewards:8080

or, where EMA-GRPO shall scale the rewards, a reward manager, which also tells the driver to
which task each prompt belongs::

    export VERL_USE_EXTERNAL_MODULES=trainer_client.adapters.verl
    export REWARD_SERVICE_URL=http://rewards:8080 REWARD_SERVICE_RUN=job-42
    reward.reward_manager.source=importlib
    reward.reward_manager.name=RewardServiceManager
    reward.reward_manager.module.path=pkg://trainer_client.adapters.verl
    algorithm.adv_estimator=ema_grpo

A row's kind is that of its ground truth or `extra_info`, else the `kind` given, else its
`data_source`. Every result has the same keys; `scored` is 1 or 0. What could not be scored
raises, which makes verl drop that rollout; on its legacy trainer, where that ends the job, say
`reward_kwargs.unscored=0.0` (or another number) and filter by `scored`. Where a run is named a
number is refused: `ema_grpo` is handed rewards alone, and could not tell it from them.

Needs the extra `async`. verl asks for one trajectory at a time, so nothing is normalised within a
group: with a similarity model choose a spec whose `similarity_normalisation` is not `group_minmax`.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

from trainer_client.aio import shared_async_client
from trainer_client.client import shared_client
from trainer_client.counting import StepCounter
from trainer_client.errors import BadCall, RewardRefused
from trainer_client.options import Options
from trainer_client.rows import read_item, refused, task_of
from trainer_client.stand_ins import stand_in
from trainer_client.wire.items import Item

ESTIMATOR = "ema_grpo"
DIRECTORY = "reward-service-tasks"

steps = StepCounter()


async def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: Mapping[str, Any] | None = None,
    **settings: Any,
) -> dict[str, float]:
    """Score one response: `score`, `acc`, `format`, `structure` and `scored`.

    `settings` are `url`, `kind`, `spec` and `unscored` of `reward_kwargs`; others are verl's own.
    """
    row = {**(extra_info or {}), "ground_truth": ground_truth}
    kind = Options.read(settings).kind or data_source
    return await _score(read_item(row, solution_str, kind=kind), settings)


async def _score(item: Item, settings: Mapping[str, Any]) -> dict[str, float]:
    options = Options.read(settings)
    client = shared_async_client(settings.get("url"))
    try:
        (result,) = (await client.reward([item], spec=options.spec)).results
    except RewardRefused as error:
        (result,) = refused([item], error)
    (score,) = stand_in([result.reward], [None], options.unscored)
    return {
        "score": score,
        "acc": result.accuracy or 0.0,
        "format": result.format or 0.0,
        "structure": result.structure or 0.0,
        "scored": float(result.scored),
    }


class RewardServiceManager:
    """A reward manager that scores each trajectory and remembers its prompt's task.

    `config.reward.custom_reward_function.reward_kwargs`, if there, are the settings of
    `compute_score`.
    """

    def __init__(self, config: Any, tokenizer: Any, compute_score: Any = None, **_: Any) -> None:
        del compute_score  # verl's own functions
        self.tokenizer = tokenizer
        function = config.reward.get("custom_reward_function") or {}
        self.settings = dict(function.get("reward_kwargs") or {})
        self.options = Options.read(self.settings)
        if self.options.run is not None and self.options.unscored != "raise":
            raise BadCall(
                "unscored: expected raise where a run is named; "
                f"{self.options.unscored!r} would enter its moving averages as a reward"
            )

    async def run_single(self, data: Any) -> dict[str, Any]:
        """Score the last response of a trajectory, as verl's managers do."""
        rollout = data[-1:][0]
        columns = rollout.non_tensor_batch
        row = {**columns, **(columns.get("extra_info") or {})}
        row["ground_truth"] = columns["reward_model"]["ground_truth"]
        row["prompt"] = columns.get("raw_prompt")
        kind = self.options.kind or columns["data_source"]
        item = read_item(row, self._decode(rollout), kind=kind)
        if self.options.run is not None:
            task_directory().remember.remote(str(columns["uid"]), task_of(item))
        told = await _score(item, self.settings)
        return {"reward_score": told["score"], "reward_extra_info": told}

    def _decode(self, rollout: Any) -> str:
        written = rollout.batch["responses"]
        length = int(rollout.batch["attention_mask"][-written.shape[-1] :].sum())
        return str(self.tokenizer.decode(written[:length], skip_special_tokens=True))


class TaskDirectory:
    """Which task each prompt belongs to, for the latest prompts; one Ray actor of the job."""

    def __init__(self, size: int = 1_000_000) -> None:
        self.size = size
        self.tasks: dict[str, str] = {}

    def remember(self, uid: str, task: str) -> None:
        """Keep the task of a prompt and forget the oldest one that is too many.

        >>> tasks = TaskDirectory(size=2)
        >>> for uid in "abc": tasks.remember(uid, "math")
        >>> tasks.recall(["c", "a"])
        ['math', None]
        """
        self.tasks[uid] = task
        if len(self.tasks) > self.size:
            del self.tasks[next(iter(self.tasks))]

    def recall(self, uids: Sequence[str]) -> list[str | None]:
        """Return the task of each prompt, `None` for one never heard of."""
        return [self.tasks.get(uid) for uid in uids]


def task_directory() -> Any:
    """Return the job's task directory, made by whoever asks first."""
    import ray

    options = {"name": DIRECTORY, "get_if_exists": True, "num_cpus": 0, "lifetime": "detached"}
    return ray.remote(TaskDirectory).options(**options).remote()


def ema_grpo(
    token_level_rewards: Any, response_mask: Any, config: Any = None, index: Any = None, **_: Any
) -> tuple[Any, Any]:
    """Return advantages and returns, both (responses, tokens), from the job's run.

    `index` holds the prompt of each response. The run continues after its last step: when you
    resume from an older checkpoint, rewind it there first. Raises `BadCall` for a prompt that
    no `RewardServiceManager` of this job has scored.
    """
    import ray
    import torch

    del config  # the run's settings are the service's
    uids = list(map(str, index))
    tasks = ray.get(task_directory().recall.remote(uids))
    if None in tasks:
        raise BadCall(f"no task is known for {tasks.count(None)} prompts: use RewardServiceManager")
    run, client = Options.read({}).run_name(), shared_client(None)
    answer = client.advantage(
        run=run,
        step=steps.next(client, run),
        rewards=token_level_rewards.sum(dim=-1).tolist(),
        groups=uids,
        tasks=tasks,
    )
    scalars = torch.tensor([a or 0.0 for a in answer.advantages], dtype=token_level_rewards.dtype)
    advantages = scalars.to(response_mask.device).unsqueeze(-1) * response_mask
    return advantages, advantages


def register() -> None:
    """Make `algorithm.adv_estimator=ema_grpo` known to verl, once."""
    from verl.trainer.ppo.core_algos import ADV_ESTIMATOR_REGISTRY, register_adv_est

    if ESTIMATOR not in ADV_ESTIMATOR_REGISTRY:
        register_adv_est(ESTIMATOR)(ema_grpo)


if importlib.util.find_spec("verl") is not None:
    register()
