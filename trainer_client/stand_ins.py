"""Numbers for frameworks that cannot be told that a rollout was not scored.

None is a reward. Each is chosen and named by the user, is logged, and is flagged beside the
number; `group_mean` gives the rollout no advantage of its own and leaves the mean of its group
where the scored rollouts put it.
"""

import logging
import math
from collections.abc import Sequence
from statistics import fmean

from trainer_client.errors import BadCall, RewardUnavailable

log = logging.getLogger(__name__)

NAMED = ("raise", "group_mean")
Policy = str | float
"""A name of `NAMED` or a finite number."""


def stand_in(
    rewards: Sequence[float | None], groups: Sequence[str | None], policy: Policy
) -> list[float]:
    """Fill in what was not scored, as `policy` says, and log how much that was.

    `"raise"` raises `RewardUnavailable`; a number stands for itself; `"group_mean"` is the mean
    of the scored rollouts of the same group, 0 where there are none (all of such a group are
    equal then, and none has an advantage). Without any group it is refused with `BadCall`, be
    there something to fill in or not.

    >>> stand_in([1.0, None, 3.0, None], ["a", "a", "a", "b"], "group_mean")
    [1.0, 2.0, 3.0, 0.0]
    """
    number = isinstance(policy, int | float) and math.isfinite(policy)
    if not number and policy not in NAMED:
        raise BadCall(f"unscored: expected {' or '.join(NAMED)} or a number; got {policy!r}")
    if policy == "group_mean" and rewards and all(group is None for group in groups):
        raise BadCall(
            "unscored: group_mean needs a `group` (or the problem's or prompt's id) with each "
            "rollout, and several of it at once; otherwise choose raise or a number"
        )
    lost = sum(reward is None for reward in rewards)
    if not lost:
        return [reward for reward in rewards if reward is not None]
    if policy == "raise":
        raise RewardUnavailable(f"{lost} of {len(rewards)} rollouts were not scored")
    log.error("%d of %d rollouts were not scored; they get %s", lost, len(rewards), policy)
    if isinstance(policy, int | float):
        return [float(policy) if reward is None else reward for reward in rewards]
    means = _means(rewards, groups)
    return [
        means.get(group, 0.0) if reward is None else reward
        for reward, group in zip(rewards, groups, strict=True)
    ]


def _means(
    rewards: Sequence[float | None], groups: Sequence[str | None]
) -> dict[str | None, float]:
    scored: dict[str | None, list[float]] = {}
    for reward, group in zip(rewards, groups, strict=True):
        if reward is not None and group is not None:
            scored.setdefault(group, []).append(reward)
    return {group: fmean(members) for group, members in scored.items()}
