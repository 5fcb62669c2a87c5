"""Logs are for people; the service does without readers."""

import json

import urllib3

from tests.e2e.running import running

ITEM = {"kind": "ocr", "response": "the cat", "ground_truth": "the cat"}


def test_a_log_that_nobody_reads_harms_nothing():
    """With its log's pipe broken, the service still answers, and still stops when told to."""
    with running("--store", "memory:") as service:
        service.process.stderr.close()
        body = json.dumps({"items": [ITEM]})
        for _ in range(3):
            answer = urllib3.request("POST", f"{service.url}/reward", body=body, retries=False)
            assert answer.status == 200
