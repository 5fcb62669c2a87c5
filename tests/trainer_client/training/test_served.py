"""Tests for `trainer_client.training.served`, over HTTP against a stand-in for vLLM."""

from dataclasses import replace

import pytest
import torch

from tests.trainer_client.training.tiny_vllm import TinyServer
from trainer_client.errors import BadAnswer
from trainer_client.training.config import LoraConfig, ModelConfig
from trainer_client.training.data import read_questions
from trainer_client.training.errors import BadServer
from trainer_client.training.journal import STEPS, read_journal
from trainer_client.training.learning import learn
from trainer_client.training.loop import open_job, train
from trainer_client.training.rollouts import draw_rollouts

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:transformers")


@pytest.fixture
def server(text_model):
    """A server of the tiny model."""
    with TinyServer(text_model) as running:
        yield running


@pytest.fixture
def served(job, server):
    """A job whose rollouts come from that server; the adapters move far at each step."""
    model = ModelConfig(name=job.model.name, dtype="float32", device="cpu", lora=LoraConfig(rank=4))
    sampling = replace(job.sampling, server=server.url)
    optimiser = replace(job.optimiser, learning_rate=0.2)
    return replace(job, model=model, sampling=sampling, optimiser=optimiser)


def asked(server, path="/v1/completions"):
    """The bodies that were sent to a route."""
    return [body for where, body in server.seen if where == path]


def test_the_server_draws_from_the_policy_as_it_stands(served, client):
    """After each step its likeliest responses are those drawn here, token by token."""
    job = open_job(served, client)
    questions = read_questions(served.data.train)
    prompts = [job.learner.policy.encoder.encode(question) for question in questions]
    found = []
    for _ in range(3):
        theirs = job.draw(questions, dice=None)
        ours = draw_rollouts(job.learner.policy, prompts, served.sampling, dice=None)
        assert torch.equal(theirs.tokens, ours.tokens)
        assert torch.equal(theirs.mask, ours.mask)
        assert theirs.texts == ours.texts
        found.append(theirs.texts)
        learn(job.learner, theirs, [1.0, -1.0, 1.0], served)
    assert len(set(found)) == 3


def test_a_job_trains_on_what_the_server_drew(served, client, server):
    """Every step asks the newest adapter, in groups; the server holds no more than two."""
    train(served, client)
    steps = read_journal(served.output / STEPS)
    assert [step["step"] for step in steps] == [1, 2, 3, 4]
    models = list(dict.fromkeys(body["model"] for body in asked(server)))
    assert [name.rpartition("-")[2] for name in models] == ["0", "1", "2", "3"]
    assert list(server.adapters) == models[-1:]
    assert {body["n"] for body in asked(server)} == {served.sampling.group_size}
    kept = sorted(path.name for path in (served.output / "adapters").iterdir())
    assert kept == sorted(models[-2:])


def test_a_lost_answer_costs_nothing(served, client, server):
    """An adapter that was loaded or unloaded unheard is found so at the next attempt."""
    routes = [f"/v1/{verb}_lora_adapter" for verb in ("load", "unload")]
    server.loses = list(routes)
    train(served, client)
    assert server.loses == []
    assert [len(asked(server, route)) for route in routes] == [5, 4]
    assert len(server.adapters) == 1


def test_rollouts_follow_from_the_seed(served, client, server, tmp_path):
    """The same job draws the same tokens; no two groups are drawn from the same seed."""
    questions = read_questions(served.data.train)
    first, second = (
        open_job(replace(served, output=tmp_path / name), client) for name in ("a", "b")
    )
    one, two = (job.draw(questions, dice=job.dice) for job in (first, second))
    assert torch.equal(one.tokens, two.tokens)
    seeds = [body["seed"] for body in asked(server)]
    assert len(set(seeds)) == len(seeds) / 2 == len(questions)


def test_the_policy_is_sampled_as_it_is(served, client, server):
    """Settings that a model brings for generation are set back, and its stops are ours."""
    job = open_job(served, client)
    job.draw(read_questions(served.data.train), dice=job.dice)
    body = asked(server)[0]
    assert (body["temperature"], body["top_p"], body["top_k"], body["min_p"]) == (1.0, 1.0, -1, 0.0)
    assert body["stop_token_ids"] == job.learner.policy.stops.tolist()
    assert body["repetition_penalty"] == 1.0


def test_a_server_that_takes_no_adapters_is_named_with_what_it_needs(served, client, server):
    """Not loading them would train on rollouts of another policy."""
    server.forbids_adapters = True
    with pytest.raises(BadServer, match=r"load_lora_adapter: HTTP 404.*--enable-lora"):
        train(served, client)


def test_why_a_server_refuses_is_told(served, client, server):
    """Its own words, such as that the rank is above its limit, reach whoever started the job."""
    server.rank = 2
    with pytest.raises(BadServer, match="LoRA rank 4 is greater than max_lora_rank 2"):
        train(served, client)


def test_a_server_that_gives_no_tokens_is_named_with_what_it_needs(served, client, server):
    """Text alone could be read as other tokens than were drawn."""
    server.hides_tokens = True
    with pytest.raises(BadAnswer, match=r"token_ids, which vLLM gives from 0\.10\.2 on"):
        train(served, client)
