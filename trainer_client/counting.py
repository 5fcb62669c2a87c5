"""Numbers for the steps of a run, where the framework gives none."""

from trainer_client.client import RewardClient
from trainer_client.errors import RewardRefused
from trainer_client.wire.text import reading

NOT_FOUND = 404
BEFORE_FIRST = -1


class StepCounter:
    """Counts on from a run's last step, as the service has it when the first number is drawn.

    A trainer that resumes from an older checkpoint rewinds the run before that.
    """

    def __init__(self) -> None:
        self.following: int | None = None

    def next(self, client: RewardClient, run: str) -> int:
        """Return the number of the step to take now."""
        if self.following is None:
            self.following = last_step(client, run) + 1
        step, self.following = self.following, self.following + 1
        return step


def last_step(client: RewardClient, run: str) -> int:
    """Return the last step that the service knows of a run, -1 where there is none."""
    try:
        known = client.run(run)
    except RewardRefused as error:
        if error.status != NOT_FOUND:
            raise
        return BEFORE_FIRST
    with reading("the answer of GET /runs/{run}"):
        step = known["step"]
        return BEFORE_FIRST if step is None else int(step)
