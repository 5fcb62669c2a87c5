"""A circuit breaker: a server that keeps failing is left alone for a while, then tried once."""

from dataclasses import dataclass


@dataclass(slots=True)
class Breaker:
    """Closed while calls succeed; open after `threshold` failures in a row, for `cooldown_s`.

    Then one call may try; its success closes the breaker, its failure opens it again for twice
    as long, up to `longest_cooldown_s`. Times are seconds on any clock that does not go back.

    >>> breaker = Breaker(threshold=1, cooldown_s=1.0)
    >>> breaker.fail(now=10.0)
    >>> breaker.allows(now=10.5), breaker.allows(now=11.0)
    (False, True)
    """

    threshold: int = 3
    cooldown_s: float = 0.5
    longest_cooldown_s: float = 2.0
    _failures: int = 0
    _opened: float | None = None
    _pause_s: float = 0.0
    _trying: bool = False

    @property
    def is_closed(self) -> bool:
        """Whether calls go through freely."""
        return self._opened is None

    def allows(self, now: float) -> bool:
        """Whether a call may begin: always when closed, one at a time after the cooldown."""
        if self._opened is None:
            return True
        return not self._trying and now >= self._opened + self._pause_s

    def begin(self) -> None:
        """A call begins; when the breaker is not closed, it is the one that tries."""
        self._trying = not self.is_closed

    def succeed(self) -> None:
        """A call came back with scores."""
        self._failures, self._opened, self._pause_s, self._trying = 0, None, 0.0, False

    def fail(self, now: float, *, at_once: bool = False) -> None:
        """A call failed through the server's fault; `at_once` opens whatever came before."""
        self._failures += 1
        if self.is_closed and self._failures < self.threshold and not at_once:
            return
        if self.is_closed or self._trying:
            self._pause_s = min(max(self.cooldown_s, 2 * self._pause_s), self.longest_cooldown_s)
            self._opened = now
        self._trying = False

    def let_go(self) -> None:
        """A call ended without saying anything about the server."""
        self._trying = False
