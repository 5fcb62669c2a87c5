"""EasyR1 and OneThinker: a drop-in for the released reward file.

::

    worker.reward.reward_function=/path/to/trainer_client/adapters/easyr1.py:compute_score
    worker.reward.reward_function_kwargs='{"url": "http://rewards:8080"}'

Each result has the keys of OneThinker's own: `overall`, `format`, `accuracy` and
`structure_reward`, and `scored`, 1 or 0 (`"released_keys": true` leaves that out). Rows may carry
`problem_type`, `data_type`, `problem` and `problem_id` as OneThinker's do. Plain EasyR1 hands over
the answer column alone: put an object with `kind`, `ground_truth` and `group`, the prompt's name,
there. Where there are no groups, give a `kind` in the arguments and a choice of `unscored`; a
similarity model then needs a spec whose `similarity_normalisation` is not `group_minmax`.

EasyR1 knows no rollout without a reward. What could not be scored gets the mean of its group
unless you choose another `unscored`: a number, or `"raise"`, which ends the job. If the service
stays away for the whole budget the job ends too: no number stands for a batch.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from trainer_client.client import shared_client
from trainer_client.options import Options
from trainer_client.rows import read_item
from trainer_client.stand_ins import Policy, stand_in

REWARD_NAME = "reward_service"
REWARD_TYPE = "batch"


def compute_score(
    reward_inputs: Sequence[Mapping[str, Any]],
    url: str | None = None,
    *,
    kind: str | None = None,
    spec: str | None = None,
    unscored: Policy | None = None,
    released_keys: bool = False,
) -> list[dict[str, float]]:
    """Score a whole batch in its order; what is not given is read from the environment.

    `released_keys` leaves out `scored`, which OneThinker's own file does not have.
    """
    if not reward_inputs:
        return []
    given = {"kind": kind, "spec": spec, "unscored": unscored}
    options = Options.read(given, unscored="group_mean")
    items = [read_item(row, row["response"], kind=options.kind) for row in reward_inputs]
    results = shared_client(url).reward(items, spec=options.spec).results
    groups = [item.group for item in items]
    overall = stand_in([result.reward for result in results], groups, options.unscored)
    accuracy = stand_in([result.accuracy for result in results], groups, options.unscored)
    return [
        {
            "overall": reward,
            "format": result.format or 0.0,
            "accuracy": right,
            "structure_reward": result.structure or 0.0,
            **({} if released_keys else {"scored": float(result.scored)}),
        }
        for reward, right, result in zip(overall, accuracy, results, strict=True)
    ]
