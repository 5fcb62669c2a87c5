"""Steps to take, and answers read."""

import random

import orjson

from rewards.advantages.rollouts import Rollouts
from rewards.specs import ONETHINKER_RELEASED
from service.engine.steps import StepRequest

ROLLOUTS = Rollouts(
    [1.4, 0.2, None, 1.1, 0.3, 0.9],
    ["p1", "p1", "p2", "p2", "p3", "p3"],
    ["math", "math", "ocr", "ocr", "math", "math"],
    [1.0, 0.0, None, 1.0, 0.0, 1.0],
)


def request_of(step=0, *, run="job", rollouts=ROLLOUTS, spec=ONETHINKER_RELEASED, **options):
    """A step of a run."""
    return StepRequest(run=run, step=step, rollouts=rollouts, spec=spec, **options)


def many_rollouts(seed, count=96):
    """Rollouts in groups of eight and three tasks, some of them unscored."""
    source = random.Random(seed)
    rewards = [
        None if source.random() < 0.1 else round(source.gauss(0.7, 0.4), 4) for _ in range(count)
    ]
    groups = [f"p{i // 8}" for i in range(count)]
    tasks = [("math", "ocr", "tracking")[i // 8 % 3] for i in range(count)]
    return Rollouts(rewards, groups, tasks, [float((reward or 0) > 0.7) for reward in rewards])


def content(answer):
    """An answer read, without the flag that tells a replay."""
    return {k: v for k, v in orjson.loads(answer.body).items() if k != "replayed"}
