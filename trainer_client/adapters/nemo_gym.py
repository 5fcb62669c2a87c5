"""NeMo-Gym: a resources server that lets the service verify.

In `resources_servers/reward_service` of your Gym checkout, `app.py`::

    from trainer_client.adapters.nemo_gym import resources_server
    RewardService = resources_server()
    if __name__ == "__main__":
        RewardService.run_webserver()

`requirements.txt`::

    -e nemo-gym @ ../../
    reward-service[async] @ file:///path/to/reward-service

and `configs/reward_service.yaml`, with your datasets under the agent::

    reward_service:
      resources_servers:
        reward_service:
          entrypoint: app.py
          domain: knowledge
    reward_service_simple_agent:
      responses_api_agents:
        simple_agent:
          entrypoint: app.py
          resources_server: {type: resources_servers, name: reward_service}
          model_server: {type: responses_api_models, name: policy_model}

Put `REWARD_SERVICE_URL` into its environment. (The two files follow those of Gym's own servers;
only the class was tried.) An agent that can be given any URL may instead call
the service itself, at `http://rewards:8080/compat/nemo_gym` (`http://x:KEY@rewards:8080/…` where it
asks for keys; the user may be anyone). Rows carry `kind` and `ground_truth` beside
`responses_create_params`.

What could not be scored, for a fault of its own or because the service was away, comes back with
`mask_sample` true, a `failure_kind` and a reason, and the reward 0 that Gym's schema demands. Gym
knows these fields from 0.7 on; before that they are passed on and nobody reads them, so the 0 is
trained on. NeMo-RL takes a masked rollout out of the loss, but still counts its 0 in the baseline
of its group.

Gym verifies one rollout at a time, so nothing is normalised within a group: with a similarity
model choose a spec whose `similarity_normalisation` is not `group_minmax`.
"""

import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from trainer_client.aio import shared_async_client
from trainer_client.errors import RewardUnavailable
from trainer_client.options import Options
from trainer_client.steps import Call
from trainer_client.wire.text import decode, encode

log = logging.getLogger(__name__)

ROUTE = "/compat/nemo_gym/verify"
NO_NUMBERS = dict.fromkeys(("reward", "accuracy", "format", "structure"), 0.0)


async def verify(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request with its reward, as Gym's agents expect it back.

    It is masked if the service stays away.
    """
    options = Options.read({})
    asked = {"kind": options.kind, "spec": options.spec}
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    body = encode(request, "the rollout")
    call = Call("POST", f"{ROUTE}?{query}", decode, lambda _: body, quick=False)
    try:
        return dict(await shared_async_client(None).call(call))
    except RewardUnavailable as error:
        # Raised, it would be a status 500, and the agent would lose the whole rollout.
        log.error("a rollout has no verdict and is masked: %s", error)  # noqa: TRY400 - not ours
        return {**request, **NO_NUMBERS, **_failure(error)}


def _failure(error: RewardUnavailable) -> dict[str, Any]:
    return {"mask_sample": True, "failure_kind": "verifier_error", "failure_reason": str(error)}


def resources_server() -> Any:
    """Return the server's class; needs `nemo_gym`."""
    from nemo_gym.base_resources_server import (
        BaseVerifyRequest,
        BaseVerifyResponse,
        SimpleResourcesServer,
    )

    class Rollout(BaseVerifyRequest, extra="allow"):  # type: ignore[misc, call-arg] # Gym's
        """A row with the policy's response."""

    class Verified(BaseVerifyResponse, extra="allow"):  # type: ignore[misc, call-arg] # Gym's
        """The row again, with its reward."""

    class RewardService(SimpleResourcesServer):  # type: ignore[misc] # Gym's
        """Verifies by asking the service."""

        async def verify(self, body: Rollout) -> Verified:
            """Score one rollout."""
            answer = await verify(body.model_dump(mode="json", exclude_unset=True))
            verified: Verified = Verified.model_validate(answer)
            return verified

    return RewardService
