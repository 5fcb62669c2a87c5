"""Tests for `rewards.backends.polar_transformers.llama` and its weights."""

import random

import pytest
import torch
from safetensors.torch import save_file

from rewards.backends.polar_transformers.checkpoint import Shape
from rewards.backends.polar_transformers.llama import RewardLlama
from rewards.backends.polar_transformers.packing import Passage
from rewards.backends.polar_transformers.weights import read_tensors
from rewards.errors import BadModel
from tests.polar_checkpoints import RandomPolar

REWARD = 3
TOLERANCE = 1e-5


def load(polar, dtype="fp32"):
    """The checkpoint as the backend loads it."""
    model = RewardLlama(Shape.read(polar.config), device="cpu", dtype=dtype)
    model.load(polar.tensors.items())
    return model


def rollouts(families=3, seed=0):
    """Passages of several families with rollouts of very unlike lengths, out of order."""
    dice = random.Random(seed)

    def tokens(longest):
        return tuple(dice.randrange(4, 400) for _ in range(dice.randrange(1, longest)))

    made = []
    for _ in range(families):
        known = (1, *tokens(40), 400)
        made += [Passage((*known, *tokens(60), REWARD), len(known)) for _ in range(5)]
    dice.shuffle(made)
    return made


def by_hand(polar, passages):
    """The same scores by the plain forward pass, every other passage padded on the left."""
    width = 2 + max(len(passage.tokens) for passage in passages)
    rows = torch.full((len(passages), width), 2)
    attended = torch.zeros(len(passages), width, dtype=torch.long)
    for i, passage in enumerate(passages):
        size = len(passage.tokens)
        start = width - size if i % 2 else 0
        rows[i, start : start + size] = torch.tensor(passage.tokens)
        attended[i, start : start + size] = 1
    return polar.score(rows, attended)


LAYOUTS = {
    "grouped heads": RandomPolar(seed=1, heads=8, kv_heads=2),
    "one key head": RandomPolar(seed=2, heads=4, kv_heads=1),
    "as many key heads": RandomPolar(seed=3, heads=4, kv_heads=4, hidden=48),
}


@pytest.mark.parametrize("layout", list(LAYOUTS))
@pytest.mark.parametrize("share", [True, False], ids=["shared", "unshared"])
def test_scores_are_those_of_internlm2(layout, share):
    """Fused weights, grouped heads, any padding: the plain forward pass gives the same scores."""
    polar, passages = LAYOUTS[layout], rollouts()
    found = load(polar).score(passages, share=share)
    assert found == pytest.approx(by_hand(polar, passages), abs=TOLERANCE)


def test_the_padded_way_gives_the_same_scores():
    """Transformers' own attention over one padded batch agrees with the packed row."""
    polar, passages = RandomPolar(), rollouts()
    model = load(polar)
    assert model.score_padded(passages) == pytest.approx(by_hand(polar, passages), abs=TOLERANCE)
    assert model.score_padded(passages) == pytest.approx(model.score(passages), abs=TOLERANCE)


def test_a_score_does_not_depend_on_its_company():
    """Alone, with its group or among strangers: the same score."""
    passages = rollouts()
    model = load(RandomPolar())
    alone = [model.score([passage])[0] for passage in passages]
    assert model.score(passages) == pytest.approx(alone, abs=TOLERANCE)


def test_the_last_token_is_what_is_read():
    """Another last token is another score: nothing is read at a fixed or a padding position."""
    model = load(RandomPolar())
    one, other = Passage((1, 5, 6, 400, 7, REWARD), 4), Passage((1, 5, 6, 400, 7, 8), 4)
    assert abs(model.score([one])[0] - model.score([other])[0]) > 0.01


def test_bfloat16_scores_come_close():
    """Half the memory costs some accuracy and nothing else."""
    polar, passages = RandomPolar(), rollouts(families=1)
    found = load(polar, "bf16").score(passages)
    assert found == pytest.approx(by_hand(polar, passages), abs=0.2)
    assert found != pytest.approx(by_hand(polar, passages), abs=TOLERANCE)


def test_verification_passes_a_good_model_and_stops_a_broken_one():
    """Weights that give no number are noticed at the start."""
    polar = RandomPolar()
    load(polar).verify(rollouts(families=1))
    broken = RandomPolar(seed=9)
    broken.tensors["model.norm.weight"][0] = float("inf")
    with pytest.raises(BadModel, match="packed and"):
        load(broken).verify(rollouts(families=1))


def without(name):
    """A change that drops a tensor."""
    return lambda tensors: tensors.pop(name)


def replaced(name, tensor):
    """A change that puts another tensor in the place of one."""
    return lambda tensors: tensors.update({name: tensor})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (without("v_head.weight"), r"lacks 1 weights \(in Llama's names: score.weight\)"),
        (without("model.layers.0.attention.wqkv.weight"), "lacks 3 weights"),
        (replaced("output.weight", torch.zeros(404, 64)), "POLAR does not: output.weight"),
        (replaced("model.layers.x.ffn_norm.weight", torch.zeros(64)), "POLAR does not: model.la"),
        (replaced("model.layers.0.attention.wqkv.bias", torch.zeros(96)), "does not: .*wqkv.bias"),
        (replaced("model.layers.7.ffn_norm.weight", torch.zeros(64)), "too many: model.layers.7"),
        (replaced("v_head.weight", torch.zeros(2, 64)), r"expected shape \(1, 64\), got \(2, 64\)"),
        (
            replaced("model.layers.0.attention.wqkv.weight", torch.zeros(95, 64)),
            r"expected shape \(96, 64\), got \(95, 64\)",
        ),
        (
            replaced("model.norm.weight", torch.ones(64, dtype=torch.int8)),
            "expected 16- or 32-bit floats, got torch.int8",
        ),
    ],
)
def test_a_checkpoint_that_is_not_whole_is_refused(change, why):
    """A weight missing, left over, misshapen or quantised: one line, and no model."""
    polar = RandomPolar(layers=1)
    change(polar.tensors)
    with pytest.raises(BadModel, match=why):
        load(polar)


def test_a_weight_that_comes_twice_is_refused():
    """Two files that both hold a tensor leave open which one counts."""
    polar = RandomPolar(layers=1)
    model = RewardLlama(Shape.read(polar.config), device="cpu", dtype="fp32")
    twice = [*polar.tensors.items(), ("v_head.weight", polar.tensors["v_head.weight"])]
    with pytest.raises(BadModel, match=r"too many: v_head\.weight"):
        model.load(twice)


def test_tensors_are_read_from_safetensors_alone(tmp_path):
    """Every tensor of every file comes by name; a broken file is named."""
    save_file({"a": torch.ones(2)}, tmp_path / "one.safetensors")
    (tmp_path / "two.safetensors").write_bytes(b"\x80\x04pickled")
    assert dict(read_tensors([tmp_path / "one.safetensors"]))["a"].tolist() == [1, 1]
    with pytest.raises(BadModel, match=r"two\.safetensors: cannot be read"):
        list(read_tensors([tmp_path / "two.safetensors"]))


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"device": "cpu", "dtype": "int8"}, "expected a dtype of auto, fp32, bf16, fp16"),
        ({"device": "toaster", "dtype": "auto"}, "expected a device such as cpu, cuda"),
    ],
)
def test_an_impossible_device_or_dtype_is_named(options, why):
    """The line says what is allowed."""
    with pytest.raises(BadModel, match=why):
        RewardLlama(Shape.read(RandomPolar().config), **options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_named():
    """Asked for a GPU where there is none, the model does not fall back to the CPU."""
    with pytest.raises(BadModel, match="sees no CUDA device"):
        RewardLlama(Shape.read(RandomPolar().config), device="cuda", dtype="auto")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_gives_the_same_scores():
    """On a GPU in fp32 the packed row agrees with the plain forward pass."""
    polar, passages = RandomPolar(), rollouts()
    model = RewardLlama(Shape.read(polar.config), device="cuda", dtype="fp32")
    model.load(polar.tensors.items())
    assert model.score(passages) == pytest.approx(by_hand(polar, passages), abs=1e-4)


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (lambda *_: torch.empty(10**14), MemoryError),
        (lambda *_: torch.zeros(2) @ torch.zeros(3), RuntimeError),
    ],
    ids=["memory", "anything else"],
)
def test_memory_that_runs_out_is_told_from_other_trouble(trouble, error):
    """What the allocator refuses can be helped by a smaller batch; a defect cannot."""
    model = load(RandomPolar(layers=1))
    model._model.model.norm.register_forward_pre_hook(trouble)
    with pytest.raises(error):
        model.score(rollouts(families=1))
