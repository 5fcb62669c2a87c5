"""What is promised is tested, or says why it is not."""

import pytest

from tests.house.promises import held_by, promises

PROMISES, TESTED = promises(), held_by()
by_number = pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: str(promise.number))


def test_every_promise_has_its_number():
    """There are fifty-seven, numbered from one, and a test names none beside them."""
    assert [promise.number for promise in PROMISES] == list(range(1, 58))
    assert set(TESTED) <= {promise.number for promise in PROMISES}


@by_number
def test_a_promise_is_tested_or_says_why_not(promise):
    """A promise does not lose its last test unnoticed."""
    assert promise.says.endswith(".")
    assert TESTED.get(promise.number) or promise.untested


def test_a_promise_is_named_by_tests_alone():
    """A marker on anything that pytest does not run would prove nothing."""
    strays = [
        test
        for tests in TESTED.values()
        for test in tests
        if not (test.name.startswith("test_") and test.path.name.startswith("test_"))
    ]
    assert strays == []
