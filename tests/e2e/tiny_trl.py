"""TRL's trainer with a tiny model and a few words; as a program, one rank of two.

python -m torch.distributed.run --nproc-per-node 2 -m tests.e2e.tiny_trl URL FOLDER
"""

import json
import math
import sys
from pathlib import Path

import datasets
import tokenizers
import transformers
import trl

from trainer_client.adapters.trl import RewardFunction
from trainer_client.adapters.trl_advantages import ScaledRewards, ServiceAdvantages

PAD, END = "[PAD]", "[EOS]"
WORDS = [PAD, END, "<think>", "</think>", "<answer>", "</answer>", *"0123456789", *"abcdef"]
KINDS = {"open-ended": "0 1 2 3 4 5 6 7 8 9", "ocr": "a b c d e f"}
GROUP = 4
STEPS = 3


def tokenizer():
    """A word for a token."""
    words = {word: number for number, word in enumerate(WORDS)}
    model = tokenizers.models.WordLevel(words, unk_token=PAD)
    bare = tokenizers.Tokenizer(model)
    bare.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=bare, pad_token=PAD, eos_token=END)


def dataset():
    """Two kinds that any words may score in, and one truth that nobody can read."""
    rows = [
        {"prompt": "1 2", "problem_type": kind, "solution": truth, "problem_id": str(number)}
        for number, (kind, truth) in enumerate([*KINDS.items()] * 8)
    ]
    rows[3] |= {"problem_type": "tracking", "solution": "no boxes"}
    return datasets.Dataset.from_list(rows)


def train(trainer_class, rewards, folder, *, batch=8, **options):
    """A few optimizer steps with `batch` rollouts on each rank; the trainer afterwards."""
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
        per_device_train_batch_size=batch,
        num_generations=GROUP,
        max_completion_length=8,
        max_steps=STEPS,
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
        train_dataset=dataset(),
        processing_class=tokenizer(),
    )
    trainer.train()
    return trainer


class Recording(ServiceAdvantages, trl.GRPOTrainer):
    """Trains with the service's advantages and keeps what it trained with, step by step."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.steps = []

    def _generate_and_score_completions(self, inputs):
        output = super()._generate_and_score_completions(inputs)
        rewards = self._batch.rewards[:, 0].tolist()
        self.steps.append(
            {
                "rewards": [None if math.isnan(reward) else reward for reward in rewards],
                "tasks": self._batch.tasks,
                "used": output["advantages"].tolist(),
            }
        )
        return output


def recording(url, run):
    """A trainer whose advantages come from `run`."""

    class Trainer(Recording):
        service_url, service_run = url, run

    return Trainer


def main(url: str, folder: str) -> None:
    """Train both ways; the middle one of three groups is spread over the ranks."""
    exact = train(recording(url, "ranks-exact"), RewardFunction(url), folder, batch=6)
    scaled = ScaledRewards(RewardFunction(url), url, run="ranks-scaled")
    train(trl.GRPOTrainer, scaled, folder, batch=6, scale_rewards="none")
    rank = exact.accelerator.process_index
    Path(folder, f"rank-{rank}.json").write_text(json.dumps(exact.steps))


if __name__ == "__main__":
    main(*sys.argv[1:])
