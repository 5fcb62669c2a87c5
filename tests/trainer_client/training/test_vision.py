"""The same loop with a model that sees: Qwen3-VL's shape, tiny and random, and real images."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from skimage import data

from tests.house.source import ROOT
from tests.trainer_client.training.conftest import write_video
from trainer_client.training.config import LoraConfig, ModelConfig
from trainer_client.training.data import Question, read_questions
from trainer_client.training.errors import BadQuestion
from trainer_client.training.learning import Learner, learn
from trainer_client.training.loop import open_job, take_step
from trainer_client.training.policy import load_policy
from trainer_client.training.reading import read_prompts, response_logprobs
from trainer_client.training.rollouts import draw_rollouts

MERGE = 2
WALK = ROOT / "examples/mask/walk.mp4"


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """Two photographs of different shape, and a video that is not the other one."""
    folder = tmp_path_factory.mktemp("pictures")
    for name in ("astronaut", "rocket"):
        Image.fromarray(getattr(data, name)()).save(folder / f"{name}.png")
    write_video(folder / "grey.mp4")
    return folder


@pytest.fixture
def questions(pictures):
    """About each photograph, about both, about none, about a video, and about all."""
    names = ("astronaut.png", "rocket.png", "grey.mp4")
    one, other, grey = (pictures / name for name in names)
    return [
        Question("a", "<image>Who?", "ocr", "a woman", images=(one,)),
        Question("b", "Look: <image>What?", "ocr", "a rocket", images=(other,)),
        Question("c", "<image> or <image>?", "ocr", "the first", images=(one, other)),
        Question("d", "No picture.", "ocr", "none"),
        Question("e", "<video>Where to?", "ocr", "left", videos=(WALK,)),
        Question("f", "<image>or<video>?", "ocr", "x", images=(other,), videos=(grey,)),
    ]


def tokens_of(seen):
    """How many tokens each picture takes: one for each square of patches, of each two frames."""
    return [int(grid.prod()) // MERGE**2 for grid in seen.grid] if seen else []


def test_an_image_stands_where_its_mark_stood(sighted, questions):
    """As many tokens as the vision tower makes of its patches, between start and end."""
    for question in questions:
        prompt = sighted.encoder.encode(question)
        assert int((prompt.sees == 1).sum()) == sum(tokens_of(prompt.images))
        text = sighted.encoder.tokenizer.decode(prompt.tokens)
        for run in tokens_of(prompt.images):
            assert f"<|vision_start|>{'<|image_pad|>' * run}<|vision_end|>" in text


def test_a_video_stands_where_its_mark_stood(sighted, questions):
    """A time and a block of tokens for every two frames, as many as the grid says."""
    prompt = sighted.encoder.encode(questions[5])
    (whole,) = tokens_of(prompt.videos)
    assert int((prompt.sees == 2).sum()) == whole
    pairs = int(prompt.videos.grid[0, 0])
    text = sighted.encoder.tokenizer.decode(prompt.tokens)
    before, after = text.split("<|vision_end|>or<|vision_start|>")
    assert before.startswith("<|im_start|>user\n<|vision_start|><|image_pad|>")
    block = f"<|vision_start|>{'<|video_pad|>' * (whole // pairs)}<|vision_end|>"
    clip, _, rest = after.rpartition(block)
    assert clip.count(block) == pairs - 1
    assert re.fullmatch(r"(<\d\.\d seconds>)+", clip.replace(block, ""))
    assert rest == "<|vision_end|>?<|im_end|>\n<|im_start|>assistant\n"


def whole_pass(policy, prompt, response):
    """Log p of a response by the model's own forward pass over the whole, images and all."""
    inputs = {"input_ids": torch.cat([prompt.tokens, response])[None]}
    if prompt.sees.any():
        inputs["mm_token_type_ids"] = torch.cat([prompt.sees, torch.zeros_like(response)])[None]
    if prompt.images:
        inputs |= {"pixel_values": prompt.images.pixels, "image_grid_thw": prompt.images.grid}
    if prompt.videos:
        inputs["pixel_values_videos"] = prompt.videos.pixels
        inputs["video_grid_thw"] = prompt.videos.grid
    logits = policy.model(**inputs).logits[0, len(prompt.tokens) - 1 : -1]
    return logits.log_softmax(-1)[torch.arange(len(response)), response]


def test_every_row_sees_the_images_and_videos_of_its_own_group(sighted, questions):
    """Shared prompts, padded and out of order, give the numbers of whole passes one by one."""
    prompts = [sighted.encoder.encode(question) for question in questions]
    owners = torch.tensor([2, 5, 0, 3, 1, 4, 0])
    responses = torch.randint(0, 200, (7, 4), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        reading = read_prompts(sighted, sighted.model, prompts, owners)
        shared = response_logprobs(sighted.model, reading, responses, 1.0)
        alone = [
            whole_pass(sighted, prompts[owner], row)
            for owner, row in zip(owners, responses, strict=True)
        ]
    torch.testing.assert_close(shared, torch.stack(alone), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("asked", "sight"), [(0, "images"), (4, "videos")], ids=["image", "video"])
def test_another_sight_gives_other_rollouts(sighted, questions, job, asked, sight):
    """What the model says depends on what it sees."""
    one = sighted.encoder.encode(questions[asked])
    seen = getattr(one, sight)
    other = replace(one, **{sight: replace(seen, pixels=seen.pixels.flip(0))})
    drawn, elsewhere = (
        draw_rollouts(sighted, [prompt], job.sampling, dice=torch.Generator().manual_seed(0))
        for prompt in (one, other)
    )
    assert drawn.texts != elsewhere.texts


@pytest.mark.parametrize("asked", [(0, 1), (4, 3)], ids=["images", "video"])
def test_gradients_reach_the_language_model_and_the_vision_tower(sighted, questions, job, asked):
    """One step moves what reads and what sees."""
    before = {name: p.detach().clone() for name, p in sighted.trainable.items()}
    prompts = [sighted.encoder.encode(questions[index]) for index in asked]
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


MODELS = {
    "whole": {},
    "lora": {"dtype": "bfloat16", "lora": LoraConfig(rank=2)},
}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("sight", ["images", "videos"])
def test_a_job_that_sees_takes_a_step_against_the_service(
    vision_model, pictures, job, client, model, sight
):
    """From a JSONL in OneThinker's field names to a moved policy and a moved sigma."""
    line = {
        "problem": "Where is it?",
        "problem_type": "spatial grounding",
        "data_type": sight.removesuffix("s"),
        "solution": '<answer>{"boxes": [10, 20, 300, 400]}</answer>',
    }
    shown = {"images": ["astronaut.png", "rocket.png"], "videos": [str(WALK)] * 2}[sight]
    train = Path(pictures / "train.jsonl")
    train.write_text("\n".join(json.dumps(line | {sight: [each]}) for each in shown))
    settings = replace(job.model, name=str(vision_model), family="image_text", **model)
    opened = open_job(replace(job, model=settings, data=replace(job.data, train=train)), client)
    record = take_step(opened, 1, read_questions(train))
    assert record.unscored == 0
    assert record.tasks["spatial_grounding"].std is not None
    # An untrained model's answers are all worth the same: here some are worth more.
    update = learn(opened.learner, *spread(opened, read_questions(train)), opened.config)
    assert update.grad_norm > 0


def spread(opened, questions):
    """Rollouts of a job, and advantages that tell them apart."""
    rollouts = opened.draw(questions, opened.dice)
    return rollouts, [(-1.0) ** row for row in range(len(rollouts.texts))]


def test_a_text_model_is_not_asked_about_images(policy, questions):
    """The error names the question."""
    for question in (questions[0], questions[4]):
        with pytest.raises(BadQuestion, match=r"question .: has images or videos, but"):
            policy.encoder.encode(question)


def test_a_model_of_another_family_is_not_asked_about_videos(sighted, questions):
    """Each family has its own way to tell of time."""
    blind = replace(sighted.encoder, eyes=replace(sighted.encoder.eyes, videos=None))
    with pytest.raises(BadQuestion, match="question e: has videos, but the model reads only im"):
        blind.encode(questions[4])


def test_a_model_that_was_trained_sees_as_before(sighted, questions, tmp_path):
    """What prepares images and videos is saved beside the weights."""
    sighted.model.save_pretrained(tmp_path)
    sighted.encoder.save(tmp_path)
    again = load_policy(ModelConfig(str(tmp_path), "image_text", "float32", "cpu"))
    one, two = (policy.encoder.encode(questions[5]) for policy in (sighted, again))
    assert torch.equal(one.tokens, two.tokens)
    assert torch.equal(one.images.pixels, two.images.pixels)
    assert torch.equal(one.videos.pixels, two.videos.pixels)


def test_an_image_that_cannot_be_read_is_named(sighted, questions, tmp_path):
    """What the file holds is no picture, or half of one."""
    path = tmp_path / "half.png"
    for content in (b"no picture", questions[0].images[0].read_bytes()[:5000]):
        path.write_bytes(content)
        with pytest.raises(BadQuestion, match=r"question a: .*half\.png: "):
            sighted.encoder.encode(replace(questions[0], images=(path,)))


def test_a_question_that_writes_the_images_token_is_refused(sighted, questions):
    """Text that would be taken for a second image or a video is no silent misalignment."""
    for mark, places, left in (("<|image_pad|>", 1, 2), ("<|video_pad|>", 0, 1)):
        forged = replace(questions[0], prompt=f"<image>Who?{mark}")
        message = f"question a: expected {places} places for {mark}; the chat template left {left}"
        with pytest.raises(BadQuestion, match=re.escape(message)):
            sighted.encoder.encode(forged)
