"""The same loop with a model that sees: Qwen3-VL's shape, tiny and random, and real images."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from skimage import data
from transformers import (
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

from tests.trainer_client.training.conftest import byte_tokenizer
from trainer_client.training.config import ModelConfig
from trainer_client.training.data import Question, read_questions
from trainer_client.training.errors import BadQuestion
from trainer_client.training.learning import Learner, learn
from trainer_client.training.loop import open_job, take_step
from trainer_client.training.policy import load_policy
from trainer_client.training.reading import read_prompts, response_logprobs
from trainer_client.training.rollouts import draw_rollouts

PATCH = 16
MERGE = 2


@pytest.fixture(scope="session")
def vision_model(tmp_path_factory):
    """The folder of a random Qwen3-VL with two layers that read and two that see."""
    folder = tmp_path_factory.mktemp("qwen3-vl")
    tokenizer = byte_tokenizer()
    torch.manual_seed(0)
    token = tokenizer.convert_tokens_to_ids
    config = Qwen3VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 8,
            "initializer_range": 0.3,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [2, 1, 1],
                "mrope_interleaved": True,
            },
        },
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_heads": 4,
            "out_hidden_size": 32,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "deepstack_visual_indexes": [0],
            "num_position_embeddings": 64,
            "initializer_range": 0.3,
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=True,
    )
    Qwen3VLForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    Qwen2VLImageProcessorPil(
        patch_size=PATCH,
        temporal_patch_size=2,
        merge_size=MERGE,
        size={"shortest_edge": 64 * 64, "longest_edge": 128 * 128},
    ).save_pretrained(folder)
    return folder


@pytest.fixture
def sighted(vision_model):
    """That model, ready to learn."""
    config = ModelConfig(str(vision_model), family="image_text", dtype="float32", device="cpu")
    return load_policy(config)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """Two photographs of different shape."""
    folder = tmp_path_factory.mktemp("pictures")
    for name in ("astronaut", "rocket"):
        Image.fromarray(getattr(data, name)()).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def questions(pictures):
    """One question about each photograph, one about both, and one about none."""
    one, other = (pictures / "astronaut.png", pictures / "rocket.png")
    return [
        Question("a", "<image>Who?", "ocr", "a woman", images=(one,)),
        Question("b", "Look: <image>What?", "ocr", "a rocket", images=(other,)),
        Question("c", "<image> or <image>?", "ocr", "the first", images=(one, other)),
        Question("d", "No picture.", "ocr", "none"),
    ]


def test_an_image_stands_where_its_mark_stood(sighted, questions):
    """As many tokens as the vision tower makes of its patches, between start and end."""
    for question in questions:
        prompt = sighted.encoder.encode(question)
        runs = (
            [int(frames * rows * columns) // MERGE**2 for frames, rows, columns in prompt.grid]
            if question.images
            else []
        )
        assert int(prompt.sees.sum()) == sum(runs)
        text = sighted.encoder.tokenizer.decode(prompt.tokens)
        for run in runs:
            assert f"<|vision_start|>{'<|image_pad|>' * run}<|vision_end|>" in text


def whole_pass(policy, prompt, response):
    """Log p of a response by the model's own forward pass over the whole, images and all."""
    inputs = {"input_ids": torch.cat([prompt.tokens, response])[None]}
    if prompt.pixels is not None:
        sees = torch.cat([prompt.sees, torch.zeros_like(response, dtype=torch.bool)])
        inputs |= {
            "mm_token_type_ids": sees.int()[None],
            "pixel_values": prompt.pixels,
            "image_grid_thw": prompt.grid,
        }
    logits = policy.model(**inputs).logits[0, len(prompt.tokens) - 1 : -1]
    return logits.log_softmax(-1)[torch.arange(len(response)), response]


def test_every_row_sees_the_images_of_its_own_group(sighted, questions):
    """Shared prompts, padded and out of order, give the numbers of whole passes one by one."""
    prompts = [sighted.encoder.encode(question) for question in questions]
    owners = torch.tensor([2, 0, 3, 1, 0])
    responses = torch.randint(0, 200, (5, 4), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        reading = read_prompts(sighted, sighted.model, prompts, owners)
        shared = response_logprobs(sighted.model, reading, responses, 1.0)
        alone = [
            whole_pass(sighted, prompts[owner], row)
            for owner, row in zip(owners, responses, strict=True)
        ]
    torch.testing.assert_close(shared, torch.stack(alone), rtol=0, atol=1e-5)


def test_another_image_gives_other_rollouts(sighted, questions, job):
    """What the model says depends on what it sees."""
    one = sighted.encoder.encode(questions[0])
    other = replace(one, pixels=one.pixels.flip(0))
    drawn, elsewhere = (
        draw_rollouts(sighted, [prompt], job.sampling, dice=torch.Generator().manual_seed(0))
        for prompt in (one, other)
    )
    assert drawn.texts != elsewhere.texts


def test_gradients_reach_the_language_model_and_the_vision_tower(sighted, questions, job):
    """One step moves what reads and what sees."""
    before = {name: p.detach().clone() for name, p in sighted.trainable.items()}
    prompts = [sighted.encoder.encode(question) for question in questions[:2]]
    rollouts = draw_rollouts(sighted, prompts, job.sampling, dice=torch.Generator().manual_seed(0))
    update = learn(Learner.of(sighted, job), rollouts, [1.0, -1.0, 0.5, -0.5, 1.0, -1.0], job)
    assert update.grad_norm > 0
    moved = {name for name, p in sighted.trainable.items() if (p - before[name]).abs().max() > 1e-4}
    for part in (
        "language_model.layers.0.self_attn",
        "language_model.layers.1.mlp",
        "visual.blocks.0",
    ):
        assert any(part in name for name in moved)


def test_a_job_about_images_takes_a_step_against_the_service(vision_model, pictures, job, client):
    """From a JSONL in OneThinker's field names to a moved policy and a moved sigma."""
    lines = [
        {
            "problem": "<image>Where is it?",
            "problem_type": "spatial grounding",
            "data_type": "image",
            "solution": '<answer>{"boxes": [10, 20, 300, 400]}</answer>',
            "images": [name],
        }
        for name in ("astronaut.png", "rocket.png")
    ]
    train = Path(pictures / "train.jsonl")
    train.write_text("\n".join(map(json.dumps, lines)))
    model = replace(job.model, name=str(vision_model), family="image_text")
    opened = open_job(replace(job, model=model, data=replace(job.data, train=train)), client)
    record = take_step(opened, 1, read_questions(train))
    assert record.unscored == 0
    assert record.tasks["spatial_grounding"].std is not None


def test_a_text_model_is_not_asked_about_images(policy, questions):
    """The error names the question."""
    with pytest.raises(BadQuestion, match="question a: has images"):
        policy.encoder.encode(questions[0])


def test_an_image_that_cannot_be_read_is_named(sighted, questions, tmp_path):
    """What the file holds is no picture, or half of one."""
    path = tmp_path / "half.png"
    for content in (b"no picture", questions[0].images[0].read_bytes()[:5000]):
        path.write_bytes(content)
        with pytest.raises(BadQuestion, match=r"question a: .*half\.png: "):
            sighted.encoder.encode(replace(questions[0], images=(path,)))


def test_a_question_that_writes_the_images_token_is_refused(sighted, questions):
    """Text that would be taken for a second image is no silent misalignment."""
    forged = replace(questions[0], prompt="<image>Who?<|image_pad|>")
    with pytest.raises(BadQuestion, match="expected 1 places for images; the chat template left 2"):
        sighted.encoder.encode(forged)
