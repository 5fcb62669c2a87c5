"""Every error says what it is, whether to try again, and with which status it leaves."""

from collections import Counter
from http import HTTPStatus

import pytest

from rewards import errors as reward_errors
from rewards.errors import RewardError
from service import errors as service_errors
from service.api.problems import STATUS, problem_of
from service.errors import ServiceError


def family(base: type[Exception]) -> list[type[Exception]]:
    """A class and everything under it."""
    return [base, *(one for child in base.__subclasses__() for one in family(child))]


ERRORS = family(RewardError) + family(ServiceError)
TRIED_AGAIN = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
TRIED_AGAIN |= {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.FAILED_DEPENDENCY}
TRIED_AGAIN |= {HTTPStatus.GATEWAY_TIMEOUT}


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_has_a_status(error):
    """The one table of statuses has a row for every class of error, and none for any other."""
    assert error in STATUS
    assert set(STATUS) <= set(ERRORS)


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_that_may_pass_has_a_status_that_says_so(error):
    """A caller that knows only HTTP retries exactly what is retryable."""
    assert (HTTPStatus(STATUS[error]) in TRIED_AGAIN) == error.retryable


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_becomes_a_problem_with_its_code(error):
    """What leaves the service carries the class's code, its first line and its retryability."""
    problem = problem_of(error("why"))
    assert (problem.code, problem.retryable) == (error.code, error.retryable)
    assert problem.title == error.__doc__.splitlines()[0]
    assert problem.detail == "why"


def test_no_two_errors_share_a_code():
    """A code names one class."""
    assert [code for code, times in Counter(e.code for e in ERRORS).items() if times > 1] == []


@pytest.mark.parametrize("module", [reward_errors, service_errors])
def test_the_tree_of_errors_is_drawn_whole(module):
    """The drawing at the top of an errors module names every class of it."""
    classes = [one.__name__ for one in ERRORS if one.__module__ == module.__name__]
    drawn = [word for line in module.__doc__.splitlines() for word in line.split()]
    assert [name for name in classes if name not in drawn] == []
