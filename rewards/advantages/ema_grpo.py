"""EMA-GRPO: every task is measured by a moving average of its own spread.

OneThinker (arXiv 2512.03043v2), equations 9 and 10. The moments are moved first, by the whole
step, and the rewards are then divided by the sigma that comes out.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from rewards.advantages.rollouts import EmaState, Group, Normalised, Outcome, divide
from rewards.maths.groups import exact_mean, population_std, sum_of_squares
from rewards.maths.moments import BatchMoments, fold
from rewards.specs import Spec


def estimate_ema_grpo(groups: Sequence[Group], state: EmaState, spec: Spec) -> Outcome:
    """A = (R - mean of the group) / sigma of the rollout's task, within the spec's limit.

    A group of one scored rollout has advantage 0 and moves no moments.
    """
    folded = batches_by_task(groups)
    moved = {task: fold(state.get(task), batch, spec.ema_decay) for task, batch in folded.items()}
    after = {**state, **moved}
    scales = scales_by_task(after, spec)
    return Outcome([_normalise(group, scales, spec) for group in groups], after, folded)


def batches_by_task(groups: Sequence[Group]) -> dict[str, BatchMoments]:
    """Return the moments of each task over every group that can be compared."""
    rewards: defaultdict[str, list[float]] = defaultdict(list)
    for group in groups:
        if group.comparable:
            for task, reward in zip(group.tasks, group.rewards, strict=True):
                rewards[task].append(reward)
    return {task: _batch_moments(values) for task, values in rewards.items()}


def scales_by_task(state: EmaState, spec: Spec) -> Mapping[str, float]:
    """Return what rewards of each task are divided by: its sigma and the spec's epsilon."""
    return {task: moments.std(spec.std_floor) + spec.std_epsilon for task, moments in state.items()}


def _batch_moments(values: Sequence[float]) -> BatchMoments:
    mean = exact_mean(values)
    variance = sum_of_squares([value - mean for value in values]) / len(values)
    return BatchMoments(len(values), mean, variance)


def _normalise(group: Group, scales: Mapping[str, float], spec: Spec) -> Normalised:
    # Only a task that never had two comparable rollouts has no scale yet; its advantage is 0.
    outcome = divide(group, [scales.get(task, 1.0) for task in group.tasks])
    limit = spec.advantage_limit
    if max(map(abs, outcome.advantages)) <= limit:
        return outcome
    if spec.limit_rule == "clip":
        clipped = [min(max(advantage, -limit), limit) for advantage in outcome.advantages]
        return Normalised(clipped, outcome.scaled_rewards, limited=True)
    own = population_std(group.centred) + spec.std_epsilon
    return replace(divide(group, [own] * len(group.rewards)), limited=True)
