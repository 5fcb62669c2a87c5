"""What the service says of a step: rewards for its rollouts, advantages for its rewards."""

from collections.abc import Mapping, Sequence

from trainer_client.client import RewardClient
from trainer_client.steps import Call
from trainer_client.training.config import ServiceConfig
from trainer_client.training.data import Question
from trainer_client.training.rollouts import Rollouts
from trainer_client.wire.advantages import AdvantageResponse, Filter
from trainer_client.wire.items import Item
from trainer_client.wire.media import Media
from trainer_client.wire.rewards import ItemResult
from trainer_client.wire.text import decode, reading

GROUP_RULE = "group_minmax"


def judge(
    client: RewardClient,
    service: ServiceConfig,
    run: str,
    questions: Sequence[Question],
    rollouts: Rollouts,
) -> tuple[ItemResult, ...]:
    """Return the verdict on every rollout, in order; one that was not scored has no reward."""
    return client.reward(list_items(questions, rollouts), spec=service.spec, run=run).results


def is_relative(client: RewardClient, spec: str) -> bool:
    """Whether a spec turns what a model scored into a place within the group."""

    def read(body: bytes) -> bool:
        with reading(f"GET /specs with {spec} among them"):
            (constants,) = (
                each["constants"] for each in decode(body)["specs"] if each["name"] == spec
            )
            return bool(constants["similarity_normalisation"] == GROUP_RULE)

    return client.call(Call("GET", "/specs", read))


def list_items(questions: Sequence[Question], rollouts: Rollouts) -> list[Item]:
    """Return what is sent for each rollout: its text beside the truth of its own question."""
    return [
        Item(
            kind=question.kind,
            response=text,
            ground_truth=question.ground_truth,
            id=f"{group}#{row % rollouts.size}",
            media_type=question.media_type,
            prompt=question.prompt,
            group=group,
            task=question.task_key,
            media=_media(question),
        )
        for row, text in enumerate(rollouts.texts)
        for group, question in [_group(questions, row // rollouts.size)]
    ]


def weigh(
    client: RewardClient,
    service: ServiceConfig,
    run: str,
    step: int,
    questions: Sequence[Question],
    verdicts: Sequence[ItemResult],
) -> AdvantageResponse:
    """Return the advantages of a step's verdicts; the service moves the run's sigma once."""
    size = len(verdicts) // len(questions)
    owners = [index for index in range(len(questions)) for _ in range(size)]
    return client.advantage(
        run=run,
        step=step,
        rewards=[verdict.reward for verdict in verdicts],
        groups=[_group(questions, index)[0] for index in owners],
        tasks=[questions[index].task_key for index in owners],
        accuracy=[verdict.accuracy for verdict in verdicts] if service.keep else None,
        estimator=service.estimator,
        spec=service.spec,
        filter=Filter(*service.keep) if service.keep else None,
    )


def _group(questions: Sequence[Question], index: int) -> tuple[str, Question]:
    # A question may be asked twice in a step; its two groups are still two.
    return f"{index}:{questions[index].id}", questions[index]


def _media(question: Question) -> Mapping[str, Media] | None:
    # Only a mask is drawn on the pixels themselves; every other kind is judged by its text.
    if question.kind != "mask":
        return None
    roles = {"image": question.images, "video": question.videos}
    return {role: Media.of(paths[0]) for role, paths in roles.items() if paths} or None
