"""Tests for `service.server`; how it drains is tried on a whole process, in `tests/e2e`."""

import socket

import pytest

from service.errors import BadSettings
from service.server import listen


def test_a_free_port_is_given_on_request():
    """Port 0 stands for any that is free."""
    with listen("127.0.0.1", 0) as listener:
        assert listener.getsockname()[1] > 0


def test_a_taken_port_is_refused_in_one_line():
    """Two services cannot share an address, and the second one hears it at once."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            BadSettings, match=f"cannot listen on 127.0.0.1:{port}: Address already in use$"
        ):
            listen("127.0.0.1", port)


def test_an_unknown_host_is_refused_in_one_line():
    """A name that leads nowhere is a bad setting."""
    with pytest.raises(BadSettings, match=r"cannot listen on no\.such\.host\.invalid:0"):
        listen("no.such.host.invalid", 0)
