"""Tests for `trainer_client.training.rollouts`."""

from dataclasses import replace

import pytest
import torch

from trainer_client.training.config import SamplingConfig
from trainer_client.training.data import Question
from trainer_client.training.reading import read_prompts, response_logprobs
from trainer_client.training.rollouts import draw_rollouts

SAMPLING = SamplingConfig(group_size=3, max_new_tokens=8)


@pytest.fixture
def prompts(policy):
    """Two prompts of different lengths."""
    return [
        policy.encoder.encode(Question("q", text, "ocr", "x")) for text in ("Hi", "something else")
    ]


def dice(seed=0):
    """A source of chance."""
    return torch.Generator().manual_seed(seed)


def test_the_likeliest_response_is_that_of_transformers(policy, prompts):
    """Without dice every prompt gets one response, token by token that of `generate`."""
    drawn = draw_rollouts(policy, prompts, SAMPLING, dice=None)
    assert drawn.size == 1
    for row, prompt in enumerate(prompts):
        whole = policy.model.generate(
            prompt.tokens[None], max_new_tokens=8, do_sample=False, pad_token_id=policy.padding
        )
        expected = whole[0, len(prompt.tokens) :]
        assert torch.equal(drawn.tokens[row][drawn.mask[row]], expected[: drawn.lengths[row]])


def test_the_same_dice_draw_the_same_rollouts(policy, prompts):
    """Rollouts are a function of the seed, and differ within a group."""
    one, two, other = (
        draw_rollouts(policy, prompts, SAMPLING, dice=dice(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(one.tokens, two.tokens)
    assert one.texts != other.texts
    assert len(set(one.texts)) == len(one.texts) == 6


def test_tokens_are_drawn_with_the_probabilities_of_the_policy(policy, prompts):
    """Over many draws the first token's mean log-probability is minus the entropy."""
    sampling = SamplingConfig(group_size=2000, max_new_tokens=1, temperature=0.5)
    drawn = draw_rollouts(policy, prompts[:1], sampling, dice=dice())
    owners = torch.zeros(2000, dtype=torch.long)
    reading = read_prompts(policy, policy.model, prompts[:1], owners)
    odds = (reading.logits[0] / 0.5).softmax(-1)
    logprobs = response_logprobs(policy.model, reading, drawn.tokens, 0.5)
    assert logprobs.mean().item() == pytest.approx((odds * odds.log()).sum().item(), abs=0.05)


def test_a_response_ends_with_its_stop_token(policy, prompts):
    """What follows the end is padding, masked; the end itself is part of the response."""
    likeliest = draw_rollouts(policy, prompts, SAMPLING, dice=None)
    stop = int(likeliest.tokens[0, 2])
    policy.model.generation_config.eos_token_id = stop
    drawn = draw_rollouts(policy, prompts, SAMPLING, dice=None)
    first = (likeliest.tokens[0] == stop).nonzero()[0].item()
    assert drawn.lengths[0] == first + 1
    assert drawn.tokens[0, first] == stop
    assert (drawn.tokens[0, first + 1 :] == policy.padding).all()


def test_groups_may_be_drawn_a_few_at_a_time(policy, prompts):
    """Less memory, the same responses in the same order, at one common width."""
    policy.model.generation_config.eos_token_id = list(range(60))
    together, one_by_one = (
        draw_rollouts(policy, prompts * 2, replace(SAMPLING, prompts_at_once=at_once), dice=None)
        for at_once in (8, 1)
    )
    assert together.texts == one_by_one.texts
    assert torch.equal(together.mask, one_by_one.mask)
    drawn = draw_rollouts(policy, prompts, replace(SAMPLING, prompts_at_once=1), dice=dice())
    assert len({len(text) for text in drawn.texts}) > 1
    assert drawn.tokens.shape == drawn.mask.shape
    assert (drawn.tokens[~drawn.mask] == policy.padding).all()


def test_drawing_stops_when_every_response_has_ended(policy, prompts):
    """No tokens are drawn for nobody."""
    policy.model.generation_config.eos_token_id = list(range(len(policy.encoder.tokenizer)))
    drawn = draw_rollouts(policy, prompts, SAMPLING, dice=dice())
    assert drawn.tokens.shape == (6, 1)
    assert drawn.mask.all()
