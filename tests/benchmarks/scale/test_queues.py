"""Simulated queues are those of the textbook, where the textbook has a formula."""

from math import factorial
from random import Random
from statistics import mean

import pytest

from tests.benchmarks.scale.queues import Stage, Station, go_round

CALLS = 250_000


def erlang_c(servers, load):
    """The share of calls that wait in an M/M/c queue with `load` servers' worth of work."""
    waiting = load**servers / factorial(servers) * servers / (servers - load)
    return waiting / (sum(load**n / factorial(n) for n in range(servers)) + waiting)


def mean_wait(station, load, *, batch=1, calls=CALLS):
    """The mean wait of calls that come in batches at random moments; a call takes 1 on average."""
    chance, now, waits = Random(1), 0.0, []
    for _ in range(calls // batch):
        now += chance.expovariate(load / batch)
        for _ in range(batch):
            service = chance.expovariate(1.0)
            waits.append(station.admit(now, service) - now - service)
    return mean(waits)


@pytest.mark.parametrize(("servers", "busy"), [(1, 0.7), (4, 0.7), (16, 0.8)])
def test_the_wait_at_pooled_servers_is_that_of_m_m_c(servers, busy):
    """Mean wait = C(c, a) / (c - a) services."""
    load = servers * busy
    expected = erlang_c(servers, load) / (servers - load)
    found = mean_wait(Station(servers, pooled=True), load)
    assert found == pytest.approx(expected, rel=0.08)


@pytest.mark.parametrize("batch", [2, 8])
def test_the_wait_of_batches_is_that_of_m_x_m_1(batch):
    """Batches of k at one server: mean wait = (a + (k - 1) / 2) / (1 - a) services."""
    found = mean_wait(Station(1), 0.6, batch=batch, calls=CALLS // 2)
    assert found == pytest.approx((0.6 + (batch - 1) / 2) / 0.4, rel=0.08)


def test_choosing_the_shortest_queue_lies_between_one_queue_and_chance():
    """Leastconn waits longer than pooled servers, and less than if a server were drawn."""
    shortest = mean_wait(Station(4), 4 * 0.8, calls=CALLS // 4)
    pooled = erlang_c(4, 3.2) / (4 - 3.2)
    assert pooled < shortest < 0.8 / (1 - 0.8)


@pytest.mark.parametrize(("jobs", "servers"), [(10, 1), (30, 1), (20, 3)])
def test_jobs_that_wait_ask_less_as_a_finite_source_does(jobs, servers):
    """M/M/c//N: the mean wait is N / throughput - pause, with the throughput of its balance."""
    pause = 15.0
    weights = [1.0]
    for inside in range(jobs):
        rate = (jobs - inside) / pause / min(inside + 1, servers)
        weights.append(weights[-1] * rate)
    served = sum(min(n, servers) * weight for n, weight in enumerate(weights)) / sum(weights)
    chance = Random(2)
    stage = Stage(Station(servers, pooled=True), 1, lambda: chance.expovariate(1.0))
    waited = go_round([0.0] * jobs, 60_000, [stage], lambda: chance.expovariate(1 / pause))
    found = mean(one.wait_s for one in waited if one.began_s > 500)
    assert found == pytest.approx(jobs / served - pause, rel=0.05)


def test_nothing_is_lost_on_the_way():
    """Every step that begins goes through every stage, and takes at least its services."""
    chance = Random(3)
    stages = [Stage(Station(3), 8, lambda: 0.5), Stage(Station(1), 1, lambda: 0.25)]
    waited = go_round([chance.random() for _ in range(50)], 100.0, stages, chance.random)
    assert len(waited) >= 50
    assert min(one.wait_s for one in waited) >= 0.75
    assert stages[0].station.busy_s == pytest.approx(len(waited) * 8 * 0.5)
    assert stages[1].station.busy_s == pytest.approx(len(waited) * 0.25)
