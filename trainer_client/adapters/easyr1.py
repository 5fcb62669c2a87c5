"""EasyR1 and OneThinker: a drop-in for the released reward file.

::

    worker.reward.reward_function=/path/to/trainer_client/adapters/easyr1.py:compute_score
    worker.reward.reward_function_kwargs={"url": "http://rewards:8080"}

Each result has the keys of OneThinker's own: `overall`, `format`, `accuracy` and
`structure_reward`, and `scored`, 1 or 0. Rows may carry `problem_type`, `data_type`, `problem`
and `problem_id` as OneThinker's do; with plain EasyR1, which hands over the answer column alone,
put an object with `kind` and `ground_truth` there, or give a `kind` in the arguments.

EasyR1 knows no rollout without a reward. What could not be scored gets the mean of its group
unless you choose another `unscored`: a number, or `"raise"`, which ends the job. If the service
stays away for the whole budget the job ends too: no number stands for a batch.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from trainer_client.client import shared_client
from trainer_client.options import Options
from trainer_client.rows import read_item
from trainer_client.stand_ins import stand_in

REWARD_NAME = "reward_service"
REWARD_TYPE = "batch"


def compute_score(
    reward_inputs: Sequence[Mapping[str, Any]], url: str | None = None, **settings: Any
) -> list[dict[str, float]]:
    """Score a whole batch in its order; `settings` are `kind`, `spec` and `unscored`."""
    if not reward_inputs:
        return []
    options = Options.read(settings, unscored="group_mean")
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
            "scored": float(result.scored),
        }
        for reward, right, result in zip(overall, accuracy, results, strict=True)
    ]
