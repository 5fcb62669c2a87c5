"""Tests for `rewards.backends.sam2.device`, through the model: deadlines, departures, failures."""

import asyncio
import time

import torch

from rewards.backends.sam2.device import CANARY_EVERY_S, STUCK_AFTER_S
from rewards.errors import ModelFailed, OutOfTime
from tests.remote_polar import until
from tests.rewards.backends.sam2.plain_network import (
    BOX,
    FILM,
    GREY,
    PlainNetwork,
    all_waiting,
    box,
    started,
)
from tests.rewards.backends.sam2.scenes import clip, picture


def test_nothing_is_begun_after_the_deadline():
    """An item that waited too long is out of time, and the network is not asked for it."""

    async def main():
        network = PlainNetwork()
        async with started(network) as model:
            await model.segment_image(picture("a", GREY), [BOX])
            network.gate.clear()
            busy = asyncio.create_task(model.segment_image(picture("a", GREY), [box(1)]))
            await all_waiting()
            soon = time.monotonic() + 0.05
            outcomes = await asyncio.gather(
                model.segment_image(picture("a", GREY), [box(2)], deadline=soon),
                model.segment_image(picture("b", GREY), [BOX], deadline=soon),
            )
            assert [type(outcome) for [outcome] in outcomes] == [OutOfTime] * 2
            network.gate.set()
            [outcome] = await busy
            assert outcome.masks.any()
            await model.segment_image(picture("a", GREY), [box(3)])
            assert network.encoded == [1]
            assert len(network.decoded) == 3

    asyncio.run(main())


def test_a_track_stops_between_frames_at_its_deadline():
    """A long track gives up half-way; those already tracked keep their result."""
    now = 1000.0

    def tick():
        nonlocal now
        now += 10

    async def main():
        network = PlainNetwork()
        async with started(network, clock=lambda: now) as model:
            await model.track_clip(clip("v", FILM), [BOX], [0])
            network.tracked.clear()
            network.before_step = tick
            # A track of six frames and the estimate of its IoU take 130 s, the decoder's too.
            outcomes = await model.track_clip(
                clip("v", FILM), [box(1), box(2), box(3)], [5], deadline=now + 195
            )
            kinds = [type(outcome).__name__ for outcome in outcomes]
            assert kinds == ["Segmented", "OutOfTime", "OutOfTime"]
            assert network.tracked == [*range(6), *range(4)]

    asyncio.run(main())


def test_a_caller_who_leaves_is_not_worked_for():
    """A cancelled track ends at its next frame, and the device is free again."""

    async def main():
        network = PlainNetwork()
        async with started(network) as model:
            await model.track_clip(clip("v", FILM), [BOX], [0])
            network.tracked.clear()
            network.began.clear()
            network.gate.clear()
            prompts = [box(1), box(2), box(3)]
            call = asyncio.create_task(model.track_clip(clip("v", FILM), prompts, [5]))
            await asyncio.to_thread(network.began.wait)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            network.gate.set()
            [drawn] = await model.segment_image(picture("a", GREY), [BOX])
            assert drawn.masks.any()
            assert network.tracked == [0]

    asyncio.run(main())


def test_a_batch_too_large_for_the_device_is_halved():
    """Out of memory is met with smaller batches, down to one frame."""

    async def main():
        network = PlainNetwork()
        network.most_frames = 2
        async with started(network, frames_at_once=6) as model:
            [drawn] = await model.track_clip(clip("v", FILM), [BOX], range(6))
            assert sorted(network.encoded) == [1, 1, 2, 2]
            assert drawn.masks.shape == (6, 64, 64)

    asyncio.run(main())


def test_a_device_at_rest_recovers_by_itself():
    """After a failure it tries the smallest drawing there is, until that succeeds and no longer."""

    async def main():
        network = PlainNetwork()
        async with started(network) as model:
            network.failures.extend([RuntimeError("gone")] * 2)
            [outcome] = await model.segment_image(picture("a", GREY), [BOX])
            assert isinstance(outcome, ModelFailed)
            assert not model.health().ready
            assert await until(lambda: model.health().ready)
            assert not network.failures
            encoded = len(network.encoded)
            await asyncio.sleep(2 * CANARY_EVERY_S)
            assert len(network.encoded) == encoded

    asyncio.run(main())


def test_a_failing_device_unscores_and_recovers():
    """The item gets a retryable error, health tells, and the next success clears it."""

    async def main():
        network = PlainNetwork()
        async with started(network) as model:
            network.failures.append(RuntimeError("CUDA error: unspecified launch failure\nmore"))
            [outcome] = await model.segment_image(picture("a", GREY), [BOX])
            assert isinstance(outcome, ModelFailed)
            assert outcome.retryable
            assert model.health().reason == "CUDA error: unspecified launch failure"
            network.failures.append(torch.OutOfMemoryError("no memory"))
            assert isinstance(
                (await model.segment_image(picture("a", GREY), [BOX]))[0], ModelFailed
            )
            [drawn] = await model.segment_image(picture("a", GREY), [BOX])
            assert drawn.masks.any()
            assert model.health().ready

    asyncio.run(main())


def test_work_that_does_not_end_is_told():
    """A device that hangs fails nothing by itself; health says so, until it moves on."""
    now = 1000.0

    async def main():
        nonlocal now
        network = PlainNetwork()
        async with started(network, clock=lambda: now) as model:
            network.began.clear()
            network.gate.clear()
            asked = asyncio.create_task(model.segment_image(picture("a", GREY), [BOX]))
            assert await asyncio.to_thread(network.began.wait, 60)
            now += STUCK_AFTER_S
            assert model.health().ready
            now += 1
            assert model.health().reason == "the work in hand has been computing for 301 s"
            network.gate.set()
            await asked
            assert model.health().ready

    asyncio.run(main())


def test_a_defect_of_the_network_is_not_waited_for():
    """An error that nobody foresaw fails who met it, and what else was queued is served."""

    async def main():
        network = PlainNetwork()
        async with started(network) as model:
            network.gate.clear()
            network.failures.append(TypeError("a defect"))
            calls = [
                model.track_clip(clip("v", FILM), [BOX], [0]),
                model.segment_image(picture("a", GREY), [BOX]),
            ]
            waiting = [asyncio.create_task(call) for call in calls]
            await all_waiting()
            network.gate.set()
            async with asyncio.timeout(60):
                [[failed], [drawn]] = await asyncio.gather(*waiting)
            assert isinstance(failed, ModelFailed)
            assert "a defect" in str(failed)
            assert drawn.masks.any()
            assert len(network.encoded) < len(FILM)
            assert model.health().ready

    asyncio.run(main())


def test_what_waits_when_the_model_is_closed_is_unscored():
    """Nobody is left waiting for a device that is gone."""

    async def main():
        network = PlainNetwork()
        async with started(network) as model:
            network.gate.clear()
            calls = [model.segment_image(picture(str(i), GREY), [BOX]) for i in range(3)]
            waiting = [asyncio.create_task(call) for call in calls]
            await all_waiting()
            closing = asyncio.create_task(model.close())
            await all_waiting()
            network.gate.set()
            await closing
            async with asyncio.timeout(60):
                outcomes = await asyncio.gather(*waiting)
            assert all(isinstance(outcome, ModelFailed) for [outcome] in outcomes)
            assert len(network.encoded) <= 1

    asyncio.run(main())
