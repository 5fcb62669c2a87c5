"""OpenRLHF's own callers, unchanged, against a real service."""

import asyncio
from types import SimpleNamespace

import pytest

from trainer_client.adapters import openrlhf as adapter
from trainer_client.client import shared_client

agent = pytest.importorskip("openrlhf.utils.agent", reason="installed by `make venv`")
torch = pytest.importorskip("torch")

PROMPT = "<|im_start|>user\nWhat does it say?<|im_end|>\n<|im_start|>assistant\n"
RESPONSE = "<think>a</think><answer>the cat</answer>"
TOKENS = {"prompt": [1, 2], "response": [3, 4, 5]}


class Tokenizer:
    """As much of a tokenizer as the executor needs."""

    def __call__(self, **_):
        """The tokens of the prompt, whatever it is."""
        return {"input_ids": torch.tensor([TOKENS["prompt"]])}

    def decode(self, tokens, **_):
        """The transcript, special tokens included."""
        assert tokens == TOKENS["prompt"] + TOKENS["response"]
        return f"{PROMPT}{RESPONSE}<|im_end|>"


class Engine:
    """A policy that always answers the same."""

    async def generate(self, *_, **__):
        """One finished response."""
        output = SimpleNamespace(token_ids=TOKENS["response"], finish_reason="stop", logprobs=None)
        return SimpleNamespace(outputs=[output])


def rollout(executor, label="the cat"):
    """What OpenRLHF makes of one prompt."""
    sampling = SimpleNamespace(max_tokens=16, logprobs=None)
    return asyncio.run(executor.execute(PROMPT, label, sampling, 64, Tokenizer(), Engine()))


@pytest.fixture(params=["url", "file"])
def executor(request, service, monkeypatch):
    """OpenRLHF's executor, by the route and by our reward file."""
    url = f"http://127.0.0.1:{service.port}"
    shared_client.cache_clear()
    monkeypatch.setenv("REWARD_SERVICE_URL", url)
    monkeypatch.setenv("REWARD_SERVICE_KIND", "ocr")
    monkeypatch.setenv("REWARD_SERVICE_UNSCORED", "-1")
    route = f"{url}/compat/openrlhf/get_reward?kind=ocr&unscored=-1"
    yield agent.SingleTurnAgentExecutor(route if request.param == "url" else adapter.__file__)
    shared_client(None).close()


def test_a_rollout_gets_its_reward(executor):
    """Prompt and special tokens are cut away, and the numbers are those of the service."""
    output = rollout(executor)
    assert (output["reward"], output["scores"]) == ([1.5], [1.0])
    assert output["extra_logs"] == {
        "accuracy": [1.0],
        "format": [1.0],
        "structure": [0.5],
        "scored": [1.0],
    }


def test_a_rollout_that_cannot_be_scored_has_a_reward_all_the_same(executor):
    """Without one OpenRLHF would look for a reward model and end; the log tells it apart."""
    output = rollout(executor, label={"kind": "tracking", "ground_truth": "no boxes"})
    assert output["reward"] == [-1.0]
    assert output["extra_logs"]["scored"] == [0.0]
    assert output["extra_logs"].keys() == rollout(executor)["extra_logs"].keys()


def test_what_comes_back_makes_tensors(executor):
    """OpenRLHF turns every value into a tensor of one number."""
    output = rollout(executor)
    for values in (output["reward"], output["scores"], *output["extra_logs"].values()):
        assert torch.tensor([values]).shape == (1, 1)
