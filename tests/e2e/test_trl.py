"""TRL's own trainer, a few real steps of a tiny model, against a real service."""

import math

import pytest

from trainer_client.adapters.trl import AsyncRewardFunction, RewardFunction
from trainer_client.adapters.trl_advantages import ScaledRewards, ServiceAdvantages
from trainer_client.client import RewardClient

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::FutureWarning:transformers")]

trl = pytest.importorskip("trl")
datasets = pytest.importorskip("datasets")
tokenizers = pytest.importorskip("tokenizers")
transformers = pytest.importorskip("transformers")

PAD, END = "[PAD]", "[EOS]"
WORDS = [PAD, END, "<think>", "</think>", "<answer>", "</answer>", *"0123456789", *"abcdef"]
GROUP, PROMPTS = 4, 2
KINDS = {"open-ended": "0 1 2 3 4 5 6 7 8 9", "ocr": "a b c d e f"}


@pytest.fixture(scope="module")
def tokenizer():
    """A word for a token."""
    words = {word: number for number, word in enumerate(WORDS)}
    model = tokenizers.models.WordLevel(words, unk_token=PAD)
    bare = tokenizers.Tokenizer(model)
    bare.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=bare, pad_token=PAD, eos_token=END)


@pytest.fixture(scope="module")
def dataset():
    """Two kinds that any words may score in, and one truth that nobody can read."""
    rows = [
        {"prompt": "1 2", "problem_type": kind, "solution": truth, "problem_id": str(number)}
        for number, (kind, truth) in enumerate([*KINDS.items()] * 8)
    ]
    rows[3] |= {"problem_type": "tracking", "solution": "no boxes"}
    return datasets.Dataset.from_list(rows)


@pytest.fixture
def url(service):
    """Where the service is."""
    return f"http://127.0.0.1:{service.port}"


def train(trainer_class, rewards, tokenizer, dataset, folder, **options):
    """Three optimizer steps; the trainer afterwards."""
    transformers.set_seed(7)
    config = transformers.LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=64,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
    )
    arguments = trl.GRPOConfig(
        output_dir=str(folder),
        per_device_train_batch_size=GROUP * PROMPTS,
        num_generations=GROUP,
        max_completion_length=8,
        max_steps=3,
        logging_steps=1,
        report_to=[],
        use_cpu=True,
        bf16=False,
        save_strategy="no",
        learning_rate=1e-2,
        beta=0.0,
        **options,
    )
    trainer = trainer_class(
        model=transformers.LlamaForCausalLM(config),
        args=arguments,
        reward_funcs=rewards,
        train_dataset=dataset,
        processing_class=tokenizer,
    )
    trainer.train()
    return trainer


def logged(trainer, name):
    """Every value of a metric that was logged."""
    return [line[name] for line in trainer.state.log_history if name in line]


@pytest.mark.parametrize("function", [RewardFunction, AsyncRewardFunction])
def test_a_trainer_learns_from_the_service(function, url, tokenizer, dataset, tmp_path):
    """Rewards arrive at every step, sync and async, and unscored ones are left out."""
    trainer = train(trl.GRPOTrainer, function(url), tokenizer, dataset, tmp_path)
    means = logged(trainer, "rewards/reward_service/mean")
    assert len(means) == 3
    assert all(math.isfinite(mean) for mean in means)
    assert all(math.isfinite(loss) for loss in logged(trainer, "loss"))
    assert sum(logged(trainer, "reward_service/unscored")) > 0


class Recording(ServiceAdvantages, trl.GRPOTrainer):
    """Trains with the service's advantages and keeps what it trained with."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.steps = []

    def _generate_and_score_completions(self, inputs):
        output = super()._generate_and_score_completions(inputs)
        self.steps.append((self._batch, output["advantages"].tolist()))
        return output


def test_advantages_over_the_whole_batch_are_the_services(url, tokenizer, dataset, tmp_path):
    """What the trainer used is what the run answers for the same rewards, step by step."""

    class Trainer(Recording):
        service_url, service_run = url, "trl-exact"

    trainer = train(Trainer, RewardFunction(url), tokenizer, dataset, tmp_path)
    assert [any(used) for _, used in trainer.steps] == [True] * 3
    client = RewardClient(url)
    for number, (batch, used) in enumerate(trainer.steps):
        rewards = [None if math.isnan(r) else r for r in batch.rewards[:, 0].tolist()]
        expected = client.advantage(
            run="trl-by-hand",
            step=number,
            rewards=rewards,
            groups=[str(at // GROUP) for at in range(len(rewards))],
            tasks=batch.tasks,
        )
        assert used == pytest.approx([a or 0.0 for a in expected.advantages], abs=1e-6)
    assert client.run("trl-exact")["step"] == 2000
    assert client.run("trl-exact")["tasks"] == client.run("trl-by-hand")["tasks"]
    assert logged(trainer, "sigma/ocr")


def test_scaled_rewards_come_to_the_same(url, tokenizer, dataset, tmp_path):
    """The same seed by scaled rewards ends with the same averages and model, but for rounding.

    The trainer's own rewards are single precision, which is what the whole batch is sent in.
    """

    class Trainer(Recording):
        service_url, service_run = url, "trl-whole"

    exact = train(Trainer, RewardFunction(url), tokenizer, dataset, tmp_path)
    scaled = train(
        trl.GRPOTrainer,
        ScaledRewards(RewardFunction(url), url, run="trl-scaled"),
        tokenizer,
        dataset,
        tmp_path,
        scale_rewards="none",
    )
    client = RewardClient(url)
    one, other = (client.run(run)["tasks"] for run in ("trl-scaled", "trl-whole"))
    assert one.keys() == other.keys()
    assert [one[task] for task in one] == [pytest.approx(other[task], rel=1e-6) for task in one]
    assert [any(used) for _, used in exact.steps] == [True] * 3
    for one, other in zip(exact.model.parameters(), scaled.model.parameters(), strict=True):
        assert (one - other).abs().max().item() < 1e-5


def test_a_resumed_trainer_puts_its_run_back(url, tokenizer, dataset, tmp_path):
    """From its checkpoint the trainer goes on as if the later steps had not been."""

    class Trainer(Recording):
        service_url, service_run = url, "trl-resumed"

    first = train(Trainer, RewardFunction(url), tokenizer, dataset, tmp_path)
    again = Trainer(
        model=first.model,
        args=first.args,
        reward_funcs=first.reward_funcs,
        train_dataset=dataset,
        processing_class=tokenizer,
    )
    again.state.global_step = 2
    again._batch = first.steps[2][0]
    assert again._take_step().state_version == 3
    assert RewardClient(url).run("trl-resumed")["step"] == 2000
