"""One run: a seed's policy learns by one estimator, through the loop of this project."""

from dataclasses import replace

from examples.ablation.gradients import measure_prompts
from examples.ablation.results import OURS, Run
from examples.ablation.settings import Settings
from trainer_client.client import RewardClient
from trainer_client.training.config import Estimator, TrainingConfig
from trainer_client.training.data import Question, read_questions
from trainer_client.training.experience import Experience
from trainer_client.training.loop import Job, Stopwatch, gather, learn_from, open_job


def job_for(settings: Settings, estimator: Estimator, seed: int, url: str) -> TrainingConfig:
    """Return the job of one run: what all have in common, and its own policy and questions."""
    job = settings.job
    return replace(
        job,
        run=f"{estimator}-{seed}",
        seed=seed,
        data=replace(job.data, train=job.output / f"{job.data.train}-{seed}.jsonl"),
        model=replace(job.model, name=str(job.output / f"{job.model.name}-{seed}")),
        service=replace(job.service, url=url, estimator=estimator),
    )


def run_ours(settings: Settings, config: TrainingConfig, client: RewardClient) -> Run:
    """Take every step of the run."""
    job = open_job(config, client)
    questions = read_questions(config.data.train)
    rewards, norms = [], []
    for step in range(1, config.steps + 1):
        watch = Stopwatch()
        experience = gather(job, step, questions, watch)
        if step % settings.measure_every == 1:
            norms.append(_measure(job, experience))
        record = learn_from(job, step, experience, watch)
        rewards.append({name: _reward(task.reward) for name, task in record.tasks.items()})
    return Run(OURS, config.service.estimator, config.seed, rewards, norms)


def level_of(question: Question) -> str:
    """Return how hard the question is, as its id says."""
    return question.id.rpartition("/")[2]


def _measure(job: Job, experience: Experience) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    norms = measure_prompts(job.learner.policy, experience, job.config)
    for question, norm in zip(experience.asked, norms, strict=True):
        levels = found.setdefault(question.task_key, {})
        levels[level_of(question)] = levels.get(level_of(question), 0.0) + norm
    return found


def _reward(value: float | None) -> float:
    if value is None:
        raise ValueError("expected every rollout to be scored")
    return value
