"""Tests for `service.media.pool` and the process behind it."""

import asyncio
import os
import signal
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from skimage import data

from rewards.errors import BadMedia, OutOfTime, WorkerDied
from service.errors import MediaMissing, TooLarge, Unavailable
from service.media.limits import MediaLimits
from service.media.pool import DecodePool
from tests.real_media import coins, encoded, png_that_declares, ramp, video


@asynccontextmanager
async def opened(limits=None, **options):
    """Return a pool of one process, and end it."""
    pool = DecodePool(limits or MediaLimits(), **{"workers": 1, **options})
    try:
        yield pool
    finally:
        await pool.close()


def written(folder, content):
    """Write content to a file."""
    path = folder / "content"
    path.write_bytes(content)
    return path


def pids(pool):
    """Return the processes that run now."""
    return [decoder._process.pid for decoder in pool._running]


def test_a_picture_comes_back_as_pixels(tmp_path):
    """Frames are mapped read-only, and their file has no name any more."""

    async def main():
        async with opened() as pool:
            path = written(tmp_path, encoded(data.astronaut()))
            assert (await pool.describe(path)).width == 512
            frames = await pool.decode(path)
            assert np.array_equal(frames.pixels[0], data.astronaut())
            assert frames.times_s == (0.0,)
            await asyncio.to_thread(assert_gone, frames.pixels.filename)

    asyncio.run(main())


def test_a_clip_comes_back_as_frames(tmp_path):
    """One process serves one task after another."""

    async def main():
        async with opened() as pool:
            path = written(tmp_path, video(ramp(20)))
            for _ in range(3):
                frames = await pool.decode(path, fps=2.0)
                assert frames.pixels.shape == (4, 48, 64, 3)
                assert frames.times_s == pytest.approx((0, 0.5, 1.0, 1.5))
            assert len(pids(pool)) == 1
            assert pool.deaths == 0

    asyncio.run(main())


@pytest.mark.parametrize(
    ("content", "error"),
    [
        pytest.param(b"hello", BadMedia, id="text"),
        pytest.param(coins()[:3000], BadMedia, id="half"),
        pytest.param(png_that_declares(9_000, 9_000), TooLarge, id="giant"),
        pytest.param(png_that_declares(40_000, 40_000), TooLarge, id="bomb"),
    ],
)
def test_what_is_wrong_with_a_file_costs_no_process(content, error, tmp_path):
    """The next task is done by the same one."""

    async def main():
        async with opened() as pool:
            path = written(tmp_path, content)
            with pytest.raises(error, match="this content"):
                await pool.describe(path)
            before = pids(pool)
            assert (await pool.describe(written(tmp_path, coins()))).height == 303
            assert pids(pool) == before
            assert pool.deaths == 0

    asyncio.run(main())


def test_content_that_was_evicted_is_missing(tmp_path):
    """That is not the content's fault."""

    async def main():
        async with opened() as pool:
            with pytest.raises(MediaMissing, match="upload it again"):
                await pool.decode(tmp_path / "gone")

    asyncio.run(main())


def test_no_process_knows_the_services_secrets(monkeypatch, tmp_path):
    """What strangers sent is decoded where no token and no password is."""
    monkeypatch.setenv("RAY_AUTH_TOKEN", "a-secret")

    async def main():
        async with opened() as pool:
            await pool.describe(written(tmp_path, coins()))
            [pid] = pids(pool)
            return await asyncio.to_thread(Path(f"/proc/{pid}/environ").read_bytes)

    environment = asyncio.run(main())
    assert b"OPENBLAS_NUM_THREADS=1" in environment
    assert b"secret" not in environment


def test_a_process_that_is_killed_is_replaced(tmp_path):
    """The task is lost and retryable; the next one is done."""

    async def main():
        async with opened() as pool:
            path = written(tmp_path, coins())
            await pool.describe(path)
            [pid] = pids(pool)
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(WorkerDied) as lost:
                await pool.describe(path)
            assert lost.value.retryable
            assert (await pool.describe(path)).height == 303
            assert pids(pool) != [pid]
            assert pool.deaths == 1

    asyncio.run(main())


def test_a_task_that_hangs_is_killed(tmp_path):
    """A stopped process stands for a decoder in an endless loop."""

    async def main():
        async with opened() as pool:
            path = written(tmp_path, coins())
            await pool.describe(path)
            [pid] = pids(pool)
            os.kill(pid, signal.SIGSTOP)
            pool._task_s = 0.2
            with pytest.raises(OutOfTime, match=r"longer than 0\.2 s"):
                await pool.describe(path)
            pool._task_s = 60.0
            assert (await pool.describe(path)).height == 303
            with pytest.raises(ProcessLookupError):
                await _until_gone(pid)

    async def _until_gone(pid):
        for _ in range(200):
            os.kill(pid, 0)
            await asyncio.sleep(0.01)

    asyncio.run(main())


def test_a_caller_who_leaves_frees_the_process_for_others(tmp_path):
    """What nobody waits for is not finished."""

    async def main():
        async with opened() as pool:
            path = written(tmp_path, coins())
            await pool.describe(path)
            [pid] = pids(pool)
            os.kill(pid, signal.SIGSTOP)
            leaving = asyncio.create_task(pool.describe(path))
            await asyncio.sleep(0.05)
            leaving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaving
            assert (await pool.describe(path)).height == 303

    asyncio.run(main())


def test_a_disk_without_room_is_nothing_of_the_content(tmp_path, monkeypatch):
    """The caller may try again, and the process lives on."""

    async def main():
        async with opened() as pool:
            path = written(tmp_path, coins())
            await pool.describe(path)
            before = pids(pool)
            monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
            with pytest.raises(Unavailable, match="no room for decoded frames"):
                await pool.decode(path)
            monkeypatch.setattr(tempfile, "tempdir", None)
            assert (await pool.decode(path)).pixels.shape == (1, 303, 384, 3)
            assert pids(pool) == before

    asyncio.run(main())


def test_memory_is_bounded(tmp_path):
    """A picture within the limits of pixels, and beyond those of memory, is refused."""

    async def main():
        content = encoded(np.zeros((9_000, 9_000), np.uint8))
        limits = MediaLimits(picture_px=10**8)
        async with opened(limits, memory_bytes=400 * 2**20) as pool:
            with pytest.raises((TooLarge, BadMedia)):
                await pool.decode(written(tmp_path, content))
            assert (await pool.describe(written(tmp_path, coins()))).height == 303

    asyncio.run(main())


def test_tasks_beyond_the_processes_wait_their_turn(tmp_path):
    """Twelve tasks, two processes."""

    async def main():
        async with opened(workers=2) as pool:
            path = written(tmp_path, coins())
            described = await asyncio.gather(*(pool.describe(path) for _ in range(12)))
            assert {one.width for one in described} == {384}
            assert len(pids(pool)) == 2

    asyncio.run(main())


@pytest.mark.promise(22)
def test_bombs_cost_the_service_next_to_nothing(tmp_path):
    """Files that would unpack to gigabytes are refused for less than 50 MiB in both processes."""

    async def main():
        bombs = [
            png_that_declares(40_000, 40_000),
            png_that_declares(100_000, 50_000),
            encoded(np.zeros((5_000, 5_000), np.uint8)),
            video([np.zeros((16, 16, 3), np.uint8)] * 10_000, fps=1000),
        ]
        async with opened() as pool:
            await pool.describe(written(tmp_path, coins()))
            [pid] = pids(pool)
            before = resident_bytes(os.getpid()) + resident_bytes(pid)
            for bomb in bombs:
                with pytest.raises(TooLarge):
                    await pool.describe(written(tmp_path, bomb))
            after = resident_bytes(os.getpid()) + resident_bytes(pid)
            assert after - before < 50 * 2**20

    asyncio.run(main())


def assert_gone(name):
    """Fail where a file of that name is left."""
    assert not Path(name).exists()


def resident_bytes(pid):
    """Return the memory a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
