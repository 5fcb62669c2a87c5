"""Tests for `python -m trainer_client.training`: a job from its file to its picture."""

import signal
import subprocess
import sys
import time

import pytest

from trainer_client.training.__main__ import INTERRUPTED, main
from trainer_client.training.journal import STEPS, read_journal

JOB = """
run = "{run}"
output = "{output}"
steps = {steps}
[service]
url = "{url}"
[data]
train = "{train}"
prompts_per_step = 2
[model]
name = "{model}"
dtype = "float32"
device = "cpu"
[sampling]
group_size = 2
max_new_tokens = 4
"""


@pytest.fixture
def job_file(job, service_url, text_model, tmp_path):
    """A function that writes a job's file."""

    def write(steps=2, url=service_url, model=text_model):
        path = tmp_path / "job.toml"
        path.write_text(
            JOB.format(
                run=job.run,
                output=job.output,
                steps=steps,
                url=url,
                train=job.data.train,
                model=model,
            )
        )
        return path

    return write


def test_a_job_ends_with_a_table_and_a_picture(job, job_file, capsys):
    """The exit status is 0 and everything is where the last lines say."""
    assert main([str(job_file())]) == 0
    said = capsys.readouterr().err
    assert "numerical" in said
    assert "steps.jsonl" in said
    assert (job.output / "run.png").stat().st_size > 10_000


def test_a_job_can_be_resumed_to_more_steps(job, job_file):
    """The same file with more steps goes on where it ended."""
    assert main([str(job_file(steps=1))]) == 0
    assert main([str(job_file(steps=3)), "--resume"]) == 0
    assert [record["step"] for record in read_journal(job.output / STEPS)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"steps": 0}, "BadConfig: steps: expected at least 1"),
        ({"url": "ftp://x"}, "BadCall: url"),
        ({"model": "/no/such"}, "BadConfig: model.name: '/no/such' cannot be opened as family"),
    ],
)
def test_a_mistake_is_one_line_and_status_1(job_file, capsys, change, said):
    """No traceback for what the file's author can mend."""
    assert main([str(job_file(**change))]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_an_interrupted_job_says_how_to_go_on(job, job_file):
    """Ctrl-C ends it with the status of an interrupt, and it can be resumed."""
    command = [sys.executable, "-m", "trainer_client.training", str(job_file(steps=100_000))]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        while not read_journal(job.output / STEPS):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == INTERRUPTED
    assert "--resume" in said
    assert "Traceback" not in said
    assert main([str(job_file(steps=2)), "--resume"]) == 0
