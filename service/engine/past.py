"""Where a run stood in the past, as far as its records reach back."""

from service.engine.update_line import UpdateLine
from service.errors import HistoryTrimmed
from service.state.records import BEFORE_FIRST
from service.state.store import RunStore


async def last_line(store: RunStore, run: str, until: int) -> UpdateLine | None:
    """Return what the last step that is not after `until` did, None if there was none.

    Raises `HistoryTrimmed` if that cannot be known, because earlier records are kept no more or
    the run was imported.
    """
    record = await store.latest(run, until)
    if record is not None:
        return UpdateLine.decode(record.line)
    records = await store.records(run, after=BEFORE_FIRST, limit=1)
    oldest = UpdateLine.decode(records[0].line) if records else None
    if oldest is not None and (oldest.event == "import" or oldest.mark.version > 1):
        raise HistoryTrimmed(
            f"what is kept of run {run!r} begins with step {oldest.step}: expected that step or a"
            f" later one, got {until}",
            oldest_step=oldest.step,
        )
    return None
