"""GRPO, read top to bottom: ask, answer, be judged, learn.

A step draws `group_size` responses to each of its questions, has the service score them, has
it turn the scores into advantages by the moving sigma of their task, and moves the policy by them
(OneThinker, arXiv 2512.03043, eq. 12). Everything a step depends on is in its checkpoint or
follows from the seed, so a job that was stopped goes on as if it had not been.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

import torch

from trainer_client.client import RewardClient
from trainer_client.errors import RewardRefused
from trainer_client.training.checkpoints import list_checkpoints, load_checkpoint, save_checkpoint
from trainer_client.training.config import TrainingConfig
from trainer_client.training.data import Question, questions_for_step, read_questions
from trainer_client.training.errors import BadCheckpoint
from trainer_client.training.experience import Experience
from trainer_client.training.journal import Journal
from trainer_client.training.judging import is_relative, judge, weigh
from trainer_client.training.learning import Learner, learn
from trainer_client.training.policy import load_policy
from trainer_client.training.records import (
    EvaluationRecord,
    StepRecord,
    absolute,
    mean_or_none,
    record_tasks,
)
from trainer_client.training.rollouts import Rollouts, draw_rollouts
from trainer_client.training.served import ServedPolicy
from trainer_client.wire.rewards import ItemResult

ADAPTERS = "adapters"
CHECKPOINTS = "checkpoints"
MODEL = "model"

Watch = Callable[[StepRecord | EvaluationRecord], None]


@dataclass(frozen=True, slots=True)
class Job:
    """What one training job works with; `dice` decide what is sampled.

    `served` draws the rollouts if it is there.
    """

    config: TrainingConfig
    client: RewardClient
    learner: Learner
    dice: torch.Generator
    served: ServedPolicy | None = None

    def draw(self, questions: Sequence[Question], dice: torch.Generator | None) -> Rollouts:
        """Draw responses to each question; without dice, the likeliest one each."""
        policy, sampling = self.learner.policy, self.config.sampling
        prompts = [policy.encoder.encode(question) for question in questions]
        if self.served:
            return self.served.draw(self.learner, prompts, sampling, dice=dice)
        return draw_rollouts(policy, prompts, sampling, dice=dice)


def train(
    config: TrainingConfig,
    client: RewardClient,
    *,
    resume: bool = False,
    watch: Watch = lambda _: None,
) -> Path:
    """Train to the last step and return the folder of the trained model.

    With `resume` the run goes on from its newest checkpoint, or from the start if it has none,
    and the service is put back to that step. Raises `TrainingError`, or the client's errors:
    without the service there is no reward to learn from.
    """
    questions = read_questions(config.data.train)
    held_out = read_questions(config.data.evaluation) if config.data.evaluation else ()
    job = open_job(config, client)
    begun = begin(job, resume=resume)
    with Journal(config.output, step=begun) as journal:
        for step in range(begun + 1, config.steps + 1):
            records: list[StepRecord | EvaluationRecord] = [take_step(job, step, questions)]
            if _is_due(step, config.evaluate_every):
                records.append(evaluate(job, step, held_out))
            for record in records:
                journal.write(record)
                watch(record)
            if _is_due(step, config.save_every) or step == config.steps:
                save(job, step)
    return export(job)


def open_job(config: TrainingConfig, client: RewardClient) -> Job:
    """Load the policy and its optimiser, and seed every source of chance."""
    torch.manual_seed(config.seed)
    policy = load_policy(
        config.model,
        instructions=config.data.instructions,
        with_reference=config.objective.kl_weight > 0,
    )
    dice = torch.Generator(policy.device).manual_seed(config.seed)
    server = config.sampling.server
    served = ServedPolicy(server, config.output / ADAPTERS) if server else None
    return Job(config, client, Learner.of(policy, config), dice, served)


def begin(job: Job, *, resume: bool) -> int:
    """Return the step to go on from, with this job and the service put back to it."""
    config = job.config
    saved = list_checkpoints(config.output / CHECKPOINTS)
    if not resume:
        if saved:
            raise BadCheckpoint(f"{config.output}: holds a run already; resume it, or name another")
        return 0
    step = load_checkpoint(saved[-1], job.learner, job.dice, run=config.run) if saved else 0
    try:
        job.client.rewind(config.run, step)
    except RewardRefused as refusal:
        # A run that never took a step has nothing to be put back.
        if step or refusal.code != "unknown_run":
            raise
    return step


def take_step(job: Job, step: int, questions: Sequence[Question]) -> StepRecord:
    """Ask, answer, be judged, learn; return what came of it."""
    watch = Stopwatch()
    experience = gather(job, step, questions, watch)
    return learn_from(job, step, experience, watch)


def gather(job: Job, step: int, questions: Sequence[Question], watch: "Stopwatch") -> Experience:
    """Ask a step's questions, answer them, be judged; the service moves the run's sigma."""
    config = job.config
    asked = questions_for_step(
        questions,
        step,
        config.data.prompts_per_step,
        seed=config.seed,
        shuffle=config.data.shuffle,
    )
    with watch.time("sample"):
        rollouts = job.draw(asked, job.dice)
    with watch.time("judge"):
        verdicts = judge(job.client, config.service, config.run, asked, rollouts)
        weighed = weigh(job.client, config.service, config.run, step, asked, verdicts)
    return Experience(asked, rollouts, verdicts, weighed)


def learn_from(job: Job, step: int, experience: Experience, watch: "Stopwatch") -> StepRecord:
    """Move the policy by what was gathered; return what the step came to."""
    verdicts, weighed = experience.verdicts, experience.weighed
    (rate,) = job.learner.scheduler.get_last_lr()
    with watch.time("learn"):
        update = learn(job.learner, experience.rollouts, experience.advantages, job.config)
    lengths = experience.rollouts.lengths.tolist()
    return StepRecord(
        step=step,
        reward=mean_or_none(verdict.reward for verdict in verdicts),
        unscored=sum(not verdict.scored for verdict in verdicts),
        kept=fmean(weighed.kept),
        length=fmean(lengths),
        update=update,
        learning_rate=rate,
        seconds=watch.seconds,
        tasks=record_tasks(experience.asked, verdicts, lengths, weighed),
    )


def evaluate(job: Job, step: int, questions: Sequence[Question]) -> EvaluationRecord:
    """Have the likeliest response to every held-out question scored; nothing is learned.

    A response stands alone here. Where the spec places a model's scores within their group, its
    accuracy would always be 1: its task then has no reward, but the mean `raw_score` in `parts`.
    """
    config = job.config
    relative = is_relative(job.client, config.service.spec)
    verdicts: list[ItemResult] = []
    lengths: list[int] = []
    for some in _batches(questions, config.data.prompts_per_step):
        answers = job.draw(some, dice=None)
        verdicts += judge(job.client, config.service, config.run, some, answers)
        lengths += answers.lengths.tolist()
    return EvaluationRecord(
        step=step,
        reward=mean_or_none(
            verdict.reward for verdict in (absolute(verdicts) if relative else verdicts)
        ),
        tasks=record_tasks(questions, verdicts, lengths, relative=relative),
    )


def save(job: Job, step: int) -> None:
    """Write a checkpoint from which the next step would follow bit for bit."""
    save_checkpoint(
        job.config.output / CHECKPOINTS,
        step,
        job.learner,
        job.dice,
        run=job.config.run,
        keep=job.config.keep_checkpoints,
    )


def export(job: Job) -> Path:
    """Write the model (or its adapters) and its tokenizer where `from_pretrained` finds them."""
    folder = job.config.output / MODEL
    job.learner.policy.model.save_pretrained(folder)
    job.learner.policy.encoder.save(folder)
    return folder


def _batches(questions: Sequence[Question], size: int) -> Iterator[Sequence[Question]]:
    return (questions[start : start + size] for start in range(0, len(questions), size))


def _is_due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """Seconds spent in each phase of a step."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def time(self, phase: str) -> Iterator[None]:
        """Time one phase."""
        started = time.perf_counter()
        yield
        self.seconds[phase] = time.perf_counter() - started
