"""Tests for `trainer_client.training.prompts`: what the model reads."""

from dataclasses import replace

import torch

from trainer_client.training.data import Question
from trainer_client.training.prompts import collate


def read_back(policy, question):
    """The prompt of a question as text."""
    return policy.encoder.tokenizer.decode(policy.encoder.encode(question).tokens)


def test_a_prompt_ends_where_the_response_begins(policy):
    """The chat template, with nothing before and nothing after."""
    expected = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    assert read_back(policy, Question("q", "Hi", "ocr", "x")) == expected


def test_instructions_and_examples_come_first(policy):
    """As a system message, and as exchanges that went before."""
    told = replace(policy, encoder=replace(policy.encoder, instructions="Be brief."))
    question = Question("q", "Hi", "ocr", "x", examples=(("Ho", "He"),))
    assert read_back(told, question) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHo<|im_end|>\n"
        "<|im_start|>assistant\nHe<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_prompts_are_padded_on_the_left(policy):
    """So that every row's response begins in the same column."""
    prompts = [policy.encoder.encode(Question("q", text, "ocr", "x")) for text in ("a", "abc")]
    batch = collate(prompts, padding=policy.padding, device=torch.device("cpu"))
    assert batch["attention_mask"][0].tolist()[:3] == [0, 0, 1]
    assert batch["input_ids"][0, :2].tolist() == [policy.padding] * 2
    assert torch.equal(batch["input_ids"][1], prompts[1].tokens)
    assert batch.keys() == {"input_ids", "attention_mask"}


def test_a_response_is_read_without_its_end(policy):
    """The token that ends it is not part of what is judged."""
    tokens = policy.encoder.tokenizer("<think>a</think><|im_end|>", return_tensors="pt").input_ids
    assert policy.encoder.decode(tokens[0]) == "<think>a</think>"
