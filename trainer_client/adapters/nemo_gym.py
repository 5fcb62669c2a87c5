"""NeMo-Gym: a resources server that lets the service verify.

Save as `resources_servers/reward_service/app.py` in your Gym project::

    from trainer_client.adapters.nemo_gym import resources_server
    RewardService = resources_server()
    if __name__ == "__main__":
        RewardService.run_webserver()

with `REWARD_SERVICE_URL` in its environment and the extra `async`. An agent that can be given any
URL may instead call the service itself, at `http://rewards:8080/compat/nemo_gym`
(`http://x:KEY@rewards:8080/…` where it asks for keys; the user may be anyone). Rows carry `kind`
and `ground_truth` beside `responses_create_params`.

What could not be scored comes back with `mask_sample` true, a `failure_kind` and a reason, and
the reward 0 that Gym's schema demands.

Gym verifies one rollout at a time, so nothing is normalised within a group: with a similarity
model choose a spec whose `similarity_normalisation` is not `group_minmax`.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from trainer_client.aio import shared_async_client
from trainer_client.options import Options
from trainer_client.steps import Call
from trainer_client.wire.text import decode, encode

ROUTE = "/compat/nemo_gym/verify"


async def verify(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request with its reward, as Gym's agents expect it back."""
    options = Options.read({})
    asked = {"kind": options.kind, "spec": options.spec}
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    body = encode(request, "the rollout")
    call = Call("POST", f"{ROUTE}?{query}", decode, lambda _: body, quick=False)
    return dict(await shared_async_client(None).call(call))


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
