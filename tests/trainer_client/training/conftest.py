"""A language model small enough to train in a test, and the questions it is asked."""

import json

import av
import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

from tests.e2e.running import running
from trainer_client.client import RewardClient
from trainer_client.training.config import (
    DataConfig,
    ModelConfig,
    ObjectiveConfig,
    OptimiserConfig,
    SamplingConfig,
    TrainingConfig,
)
from trainer_client.training.policy import load_policy

# A model this small is slower on two threads than on one.
torch.set_num_threads(1)

SPECIAL = (
    "<|pad|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
CHAT = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.content is string %}{{ m.content }}{% else %}{% for part in m.content %}"
    "{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part.type == 'video' %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% else %}{{ part.text }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def byte_tokenizer():
    """A tokenizer of single bytes with the chat format of the Qwen family."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens(list(SPECIAL))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner)
    tokenizer.eos_token, tokenizer.pad_token = "<|im_end|>", "<|pad|>"
    tokenizer.chat_template = CHAT
    return tokenizer


@pytest.fixture(scope="session")
def text_model(tmp_path_factory):
    """The folder of a random Llama of 30,000 weights."""
    folder = tmp_path_factory.mktemp("llama")
    tokenizer = byte_tokenizer()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def model_config(text_model):
    """How that model is loaded."""
    return ModelConfig(name=str(text_model), dtype="float32", device="cpu")


@pytest.fixture
def policy(model_config):
    """That model, ready to learn."""
    return load_policy(model_config)


PATCH = 16
MERGE = 2
VIDEOS = {
    "patch_size": PATCH,
    "temporal_patch_size": 2,
    "merge_size": MERGE,
    "fps": 1.5,
    "size": {"shortest_edge": 4 * 32 * 32, "longest_edge": 6 * 64 * 96},
}


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
    (folder / "video_preprocessor_config.json").write_text(json.dumps(VIDEOS))
    return folder


@pytest.fixture
def sighted(vision_model):
    """That model, ready to learn."""
    config = ModelConfig(str(vision_model), family="image_text", dtype="float32", device="cpu")
    return load_policy(config)


def write_video(path, frames=8, rate=4):
    """A video of grey frames that grow brighter."""
    with av.open(path, "w", options={"movflags": "faststart"}) as out:
        stream = out.add_stream("mpeg4", rate=rate)
        stream.width = stream.height = 64
        for level in np.linspace(0, 255, frames).astype(np.uint8):
            picture = np.full((64, 64, 3), level)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode())


@pytest.fixture(scope="session")
def service_url():
    """A real service, in a process of its own."""
    with running() as service:
        yield service.url


@pytest.fixture
def client(service_url):
    """A client of it."""
    with RewardClient(service_url) as ours:
        yield ours


QUESTIONS = (
    {"prompt": "What is 2 + 2?", "kind": "numerical", "ground_truth": "4"},
    {"problem": "Copy: AB CD", "problem_type": "OCR", "solution": "<answer>AB CD</answer>"},
    {"prompt": "Which? A. dog B. axe", "kind": "multiple_choice", "ground_truth": "B"},
)


@pytest.fixture
def job(tmp_path, model_config):
    """A small job with a run of its own; tests replace what they are about."""
    train = tmp_path / "train.jsonl"
    train.write_text("".join(json.dumps(each) + "\n" for each in QUESTIONS))
    return TrainingConfig(
        run=f"test-{tmp_path.name}",
        output=tmp_path / "out",
        data=DataConfig(train=train, prompts_per_step=2),
        model=model_config,
        steps=4,
        sampling=SamplingConfig(group_size=3, max_new_tokens=6),
        objective=ObjectiveConfig(micro_batch=4),
        optimiser=OptimiserConfig(learning_rate=1e-2),
    )
