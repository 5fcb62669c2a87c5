"""The same run through TRL's own trainer, with rewards and advantages by our adapters."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

import transformers
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from examples.ablation.results import TRLS, Run
from trainer_client.adapters.trl import RewardFunction
from trainer_client.adapters.trl_advantages import ServiceAdvantages
from trainer_client.rows import read_item, rows_of, task_of
from trainer_client.training.config import TrainingConfig
from trainer_client.training.data import read_questions

LOSSES = {"response": "grpo", "token": "bnpo", "length": "dr_grpo"}


class Recording(RewardFunction):
    """The service's rewards, of which each task's mean at every step is kept."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.steps: list[dict[str, float]] = []

    def __call__(self, prompts: Sequence[Any], *args: Any, **columns: Any) -> list[float | None]:
        """Score a batch, which is a step."""
        rewards = super().__call__(prompts, *args, **columns)
        found: dict[str, list[float]] = {}
        for row, reward in zip(rows_of(columns, len(prompts)), rewards, strict=True):
            if reward is None:
                raise ValueError("expected every rollout to be scored")
            found.setdefault(task_of(read_item(row, "")), []).append(reward)
        self.steps.append({task: fmean(some) for task, some in found.items()})
        return rewards


def run_trl(config: TrainingConfig) -> Run:
    """Take every step of the run."""
    transformers.set_seed(config.seed)
    rewards = Recording(config.service.url, spec=config.service.spec)

    class Trainer(ServiceAdvantages, GRPOTrainer):  # type: ignore[misc]  # TRL's
        service_url, service_run = config.service.url, f"{config.run}-trl"
        service_estimator, service_spec = config.service.estimator, config.service.spec

    tokenizer = transformers.AutoTokenizer.from_pretrained(config.model.name)
    trainer = Trainer(
        model=transformers.AutoModelForCausalLM.from_pretrained(config.model.name),
        args=arguments(config),
        reward_funcs=rewards,
        train_dataset=dataset(config, tokenizer),
        processing_class=tokenizer,
    )
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    return Run(TRLS, config.service.estimator, config.seed, rewards.steps)


def arguments(config: TrainingConfig) -> Any:
    """Return TRL's arguments for a job of ours."""
    objective, optimiser = config.objective, config.optimiser
    return GRPOConfig(
        output_dir=str(config.output / config.run),
        seed=config.seed,
        max_steps=config.steps,
        per_device_train_batch_size=config.data.prompts_per_step * config.sampling.group_size,
        num_generations=config.sampling.group_size,
        max_completion_length=config.sampling.max_new_tokens,
        temperature=config.sampling.temperature,
        shuffle_dataset=config.data.shuffle,
        loss_type=LOSSES[objective.averaging],
        epsilon=objective.clip_low,
        epsilon_high=objective.clip_high,
        beta=objective.kl_weight,
        use_bias_correction_kl=False,  # eq. 12 has none
        learning_rate=optimiser.learning_rate,
        lr_scheduler_type=optimiser.schedule,
        weight_decay=optimiser.weight_decay,
        adam_beta1=optimiser.betas[0],
        adam_beta2=optimiser.betas[1],
        max_grad_norm=optimiser.max_grad_norm,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        logging_strategy="no",
        save_strategy="no",
        disable_tqdm=True,
        report_to=[],
    )


def dataset(config: TrainingConfig, tokenizer: Any) -> Any:
    """Return the job's questions as TRL takes them, with their prompts as our loop writes them."""
    rows = [
        {
            "prompt": tokenizer.apply_chat_template(
                [{"role": "user", "content": question.prompt}],
                tokenize=False,
                add_generation_prompt=True,
            ),
            "kind": question.kind,
            "media_type": question.media_type,
            "ground_truth": question.ground_truth,
        }
        for question in read_questions(config.data.train)
    ]
    return Dataset.from_list(rows)
