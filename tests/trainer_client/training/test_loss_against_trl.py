"""The objective beside TRL's own, on the same model and the same rollouts.

TRL's default corrects the penalty by the ratio; eq. 12 does not, and so it is off here.
"""

import pytest
import torch
import trl
from datasets import Dataset

from trainer_client.training.config import ObjectiveConfig
from trainer_client.training.data import Question
from trainer_client.training.loss import grpo_objective, token_weights
from trainer_client.training.prompts import collate
from trainer_client.training.reading import read_prompts, response_logprobs

pytestmark = pytest.mark.filterwarnings("ignore")

LENGTH = 6
LOSS_TYPES = {"response": "grpo", "token": "bnpo", "length": "dr_grpo"}


@pytest.fixture
def rollouts(policy):
    """Two prompts, two responses each, of 6, 3, 1 and 5 tokens, with what they are judged by."""
    dice = torch.Generator().manual_seed(2)
    lengths = torch.tensor([6, 3, 1, 5])
    return {
        "prompts": [
            policy.encoder.encode(Question("q", text, "ocr", "x")) for text in ("a", "longer")
        ],
        "tokens": torch.randint(0, 200, (4, LENGTH), generator=dice),
        "mask": torch.arange(LENGTH) < lengths[:, None],
        "advantages": torch.tensor([1.5, -0.5, -2.0, 0.25]),
        "shift": torch.randn(4, LENGTH, generator=dice) / 4,
        "drift": torch.randn(4, LENGTH, generator=dice) / 4,
    }


def our_loss(policy, rollouts, settings):
    """The loss by way of the shared prompts; old and reference policies lie a little beside."""
    owners = torch.tensor([0, 0, 1, 1])
    reading = read_prompts(policy, policy.model, rollouts["prompts"], owners)
    now = response_logprobs(policy.model, reading, rollouts["tokens"], 0.8)
    rollouts["old"] = now.detach() + rollouts["shift"]
    rollouts["reference"] = now.detach() + rollouts["drift"]
    return grpo_objective(
        now,
        rollouts["old"],
        rollouts["reference"],
        rollouts["advantages"],
        token_weights(rollouts["mask"], settings.averaging, LENGTH),
        settings=settings,
    ).loss


def trl_loss(policy, rollouts, settings, folder):
    """The loss that TRL's trainer computes for the same rollouts."""
    trainer = trl.GRPOTrainer(
        model=policy.model,
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
        processing_class=policy.encoder.tokenizer,
        train_dataset=Dataset.from_list([{"prompt": "unused"}]),
        args=trl.GRPOConfig(
            output_dir=str(folder),
            use_cpu=True,
            bf16=False,
            report_to=[],
            per_device_train_batch_size=4,
            num_generations=4,
            temperature=0.8,
            max_completion_length=LENGTH,
            epsilon=settings.clip_low,
            epsilon_high=settings.clip_high,
            beta=settings.kl_weight,
            use_bias_correction_kl=False,
            loss_type=LOSS_TYPES[settings.averaging],
        ),
    )
    trainer.current_gradient_accumulation_steps = 1
    batch = collate(
        [rollouts["prompts"][i] for i in (0, 0, 1, 1)],
        padding=policy.padding,
        device=policy.device,
    )
    return trainer._compute_loss(
        trainer.model,
        {
            "prompt_ids": batch["input_ids"],
            "prompt_mask": batch["attention_mask"],
            "completion_ids": rollouts["tokens"],
            "completion_mask": rollouts["mask"].long(),
            "advantages": rollouts["advantages"],
            "old_per_token_logps": rollouts["old"],
            "ref_per_token_logps": rollouts["reference"],
            "num_items_in_batch": rollouts["mask"].sum(),
        },
    )


@pytest.mark.parametrize("averaging", LOSS_TYPES)
def test_loss_and_gradient_equal_those_of_trl(policy, rollouts, averaging, tmp_path):
    """Ratio, bounds, penalty, masks and averages agree, and so does every weight's gradient."""
    settings = ObjectiveConfig(clip_low=0.1, clip_high=0.3, kl_weight=0.05, averaging=averaging)
    ours = our_loss(policy, rollouts, settings)
    ours.backward()
    gradients = {name: p.grad.clone() for name, p in policy.trainable.items()}
    policy.model.zero_grad()
    theirs = trl_loss(policy, rollouts, settings, tmp_path)
    theirs.backward()
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    for name, parameter in policy.trainable.items():
        torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-4, atol=1e-6)
