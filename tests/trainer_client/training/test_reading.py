"""Tests for `trainer_client.training.reading`: shortcuts that change no number."""

import pytest
import torch

from trainer_client.training.data import Question
from trainer_client.training.reading import read_prompts, response_logprobs, token_logprobs

TEXTS = ("Hi", "a longer question than that")


@pytest.fixture
def prompts(policy):
    """Two prompts of different lengths."""
    return [policy.encoder.encode(Question("q", text, "ocr", "x")) for text in TEXTS]


@pytest.fixture
def responses():
    """Four responses of five tokens, two to each prompt."""
    return torch.randint(0, 200, (4, 5), generator=torch.Generator().manual_seed(1))


def read_from_the_start(model, prompt, response, temperature):
    """Log p of a response by one plain forward pass over prompt and response."""
    whole = torch.cat([prompt.tokens, response])[None]
    logits = model(whole).logits[0, len(prompt.tokens) - 1 : -1] / temperature
    return logits.log_softmax(-1)[torch.arange(len(response)), response]


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_a_shared_prompt_gives_the_numbers_of_a_plain_forward_pass(
    policy, prompts, responses, temperature
):
    """Reading the prompt once, padded, for all its rows is reading each row alone."""
    owners = torch.tensor([0, 0, 1, 1])
    reading = read_prompts(policy, policy.model, prompts, owners)
    shared = response_logprobs(policy.model, reading, responses, temperature)
    alone = [
        read_from_the_start(policy.model, prompts[owner], row, temperature)
        for owner, row in zip(owners, responses, strict=True)
    ]
    torch.testing.assert_close(shared, torch.stack(alone), rtol=0, atol=2e-6)


def test_gradients_flow_through_the_shared_prompt(policy, prompts, responses):
    """The gradient of every weight is that of plain forward passes."""
    owners = torch.tensor([0, 1, 1, 0])
    reading = read_prompts(policy, policy.model, prompts, owners)
    response_logprobs(policy.model, reading, responses, 1.0).sum().backward()
    shared = {name: p.grad.clone() for name, p in policy.trainable.items()}
    policy.model.zero_grad()
    for owner, row in zip(owners, responses, strict=True):
        read_from_the_start(policy.model, prompts[owner], row, 1.0).sum().backward()
    for name, parameter in policy.trainable.items():
        torch.testing.assert_close(shared[name], parameter.grad, rtol=1e-4, atol=1e-5)


def test_a_response_of_one_token_needs_no_second_pass(policy, prompts):
    """Its log-probability comes from the prompt alone."""
    reading = read_prompts(policy, policy.model, prompts, torch.tensor([0, 1]))
    one = response_logprobs(policy.model, reading, torch.tensor([[5], [6]]), 1.0)
    expected = token_logprobs(reading.logits, torch.tensor([5, 6]), 1.0)
    assert torch.equal(one[:, 0], expected)


def test_padding_after_a_response_changes_nothing_before_it(policy, prompts, responses):
    """What stands after a response's end is not seen by it."""
    other = responses.clone()
    other[:, 3:] = 7
    one, two = (
        response_logprobs(
            policy.model,
            read_prompts(policy, policy.model, prompts, torch.tensor([0, 0, 1, 1])),
            tokens,
            1.0,
        )
        for tokens in (responses, other)
    )
    torch.testing.assert_close(one[:, :3], two[:, :3], rtol=0, atol=1e-6)
    assert not torch.allclose(one[:, 3:], two[:, 3:])
