"""OpenRLHF: a reward file, or the service's own route.

The route needs nothing installed beside OpenRLHF::

    --reward.remote_url 'http://rewards:8080/compat/openrlhf/get_reward?kind=math'

The response is found in the query by its prompt, else by the turns of usual chat templates; name
another's with `&turn=`, what stands before a response. Where the service asks for keys, that is
`http://x:KEY@rewards:8080/…`; the user may be anyone.

This file asks the same route, but waits longer and keeps its connections::

    export REWARD_SERVICE_URL=http://rewards:8080 REWARD_SERVICE_KIND=math
    --reward.remote_url /path/to/trainer_client/adapters/openrlhf.py

The label column is the ground truth, or the JSON of an object with `kind`, `ground_truth` and what
else the kind needs. OpenRLHF knows no rollout without a reward: what could not be scored gets
`REWARD_SERVICE_UNSCORED` (0 unless you choose), `scored` is 0 in its logs, and both sides log an
error. So it is with a label that makes no item (an unknown kind, a field too many); no kind at all,
or a query that names what does not exist, is refused. `scores` is the accuracy, for dynamic
filtering.

For EMA-GRPO, OpenRLHF has no hook that sees a whole batch; its `dr_grpo` trains with the rewards
as they are. It asks for one response at a time, so nothing is normalised within a group: with a
similarity model choose a spec whose `similarity_normalisation` is not `group_minmax`.
"""

import functools
import json
import logging
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from trainer_client.client import shared_client
from trainer_client.errors import BadAnswer, BadCall, ClientError
from trainer_client.options import Options
from trainer_client.steps import Call
from trainer_client.wire.text import decode, encode, number, reading

log = logging.getLogger(__name__)

ROUTE = "/compat/openrlhf/get_reward"


def reward_func(
    queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any]
) -> dict[str, Any]:
    """Score responses: `rewards`, `scores` and `extra_logs`, each with one number per response.

    Raises `RewardUnavailable` if the service stays away.
    """
    options = Options.read({}, unscored=0.0)
    if isinstance(options.unscored, str):
        raise BadCall("REWARD_SERVICE_UNSCORED: expected a number for OpenRLHF")
    asked = {"kind": options.kind, "spec": options.spec, "unscored": options.unscored}
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    body = encode({"query": queries, "prompts": prompts, "labels": labels}, "the batch")
    read = functools.partial(_read, count=len(queries))
    call = Call("POST", f"{ROUTE}?{query}", read, lambda _: body, quick=False)
    try:
        answer = shared_client(None).call(call)
    except ClientError:
        # OpenRLHF catches it, tells it at level INFO, and fails later over the missing reward.
        log.exception("%d responses have no reward", len(queries))
        raise
    lost = answer["extra_logs"]["scored"].count(0.0)
    if lost:
        log.error(
            "%d of %d responses were not scored; they get %s", lost, len(queries), options.unscored
        )
    return answer


def _read(body: bytes, *, count: int) -> dict[str, Any]:
    document = decode(body)
    with reading(f"the answer of POST {ROUTE}"):
        lists = [document["rewards"], document["scores"], *document["extra_logs"].values()]
        if any(len(values) != count or not all(map(_is_number, values)) for values in lists):
            raise BadAnswer(f"expected lists of {count} numbers; got {json.dumps(document)[:200]}")
        return dict(document)


def _is_number(value: Any) -> bool:
    number(value)
    return True
