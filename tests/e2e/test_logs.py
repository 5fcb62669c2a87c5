"""Logs are for people; the service does without readers."""

import os
import socket

import urllib3

from tests.e2e.running import running

ITEM = {"kind": "ocr", "response": "the cat", "ground_truth": "the cat"}


def test_a_log_that_nobody_reads_harms_nothing():
    """With its log's pipe broken, the service still answers, and still stops when told to."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    reader, writer = os.pipe()
    with running("--port", str(port), log=writer):
        os.close(writer)
        assert b"listening" in os.read(reader, 1000)
        os.close(reader)
        url = f"http://127.0.0.1:{port}/reward"
        for _ in range(3):
            answer = urllib3.request("POST", url, json={"items": [ITEM]}, retries=False)
            assert answer.status == 200
