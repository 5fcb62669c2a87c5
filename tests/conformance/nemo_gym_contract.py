"""NeMo-Gym's own records and server, against a real service."""

import os

import pytest
import urllib3
from fastapi.testclient import TestClient
from nemo_gym.base_resources_server import BaseResourcesServerConfig, BaseVerifyResponse
from nemo_gym.server_utils import ServerClient

from trainer_client.adapters.nemo_gym import resources_server

URL = os.environ["REWARD_SERVICE_URL"]
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [
        {
            "type": "output_text",
            "text": "<think>a</think><answer>the cat</answer>",
            "annotations": [],
        }
    ],
}
ROW = {
    "kind": "ocr",
    "ground_truth": "the cat",
    "responses_create_params": {"input": [{"role": "user", "content": "What does it say?"}]},
    "response": {
        "id": "resp_1",
        "object": "response",
        "created_at": 0.0,
        "model": "policy",
        "output": [MESSAGE],
        "parallel_tool_calls": False,
        "tool_choice": "none",
        "tools": [],
    },
}


def by_route(row):
    """Posted to the service's own route."""
    answer = urllib3.request("POST", f"{URL}/compat/nemo_gym/verify", json=row)
    assert answer.status == 200, answer.data
    return answer.json()


def by_server(row):
    """Posted to a resources server of Gym's that asks the service."""
    config = BaseResourcesServerConfig(host="127.0.0.1", port=1, entrypoint="", name="rewards")
    server = resources_server()(config=config, server_client=ServerClient.model_construct())
    with TestClient(server.setup_webserver()) as client:
        answer = client.post("/verify", json=row)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.mark.parametrize("verify", [by_route, by_server])
def test_a_verified_row_is_gyms_own_record(verify):
    """Gym reads its record back, with the reward of the service."""
    answer = verify(ROW)
    assert BaseVerifyResponse.model_validate(answer).reward == 1.5
    assert (answer["kind"], answer["accuracy"], answer["mask_sample"]) == ("ocr", 1.0, False)


@pytest.mark.parametrize("verify", [by_route, by_server])
def test_a_row_without_a_verdict_is_masked(verify):
    """Gym's trainers leave it out."""
    answer = verify(ROW | {"kind": "tracking"})
    assert BaseVerifyResponse.model_validate(answer).reward == 0.0
    assert answer["mask_sample"]
    assert answer["failure_kind"] == "reward_service:bad_ground_truth"
