"""Whose turn it is: the trials that have begun and not ended, in training or waiting to go on."""

from collections import deque


class Turns:
    """The trials in training, those that wait to go on, and those that must be alone to do so."""

    def __init__(self) -> None:
        self._training: set[int] = set()
        self._waiting: deque[int] = deque()
        self._waiting_alone: deque[int] = deque()
        self._alone: int | None = None

    @property
    def clearing(self) -> bool:
        """A trial waits until no other is in training."""
        return bool(self._waiting_alone)

    @property
    def blocked(self) -> bool:
        """Nothing may be given out now: a trial is alone, or waits until it is."""
        return self._alone is not None or (self.clearing and bool(self._training))

    def begin(self, number: int) -> None:
        """A trial is in training."""
        self._training.add(number)

    def interrupt(self, number: int, *, first: bool = False, alone: bool = False) -> None:
        """A trial is in training no more and waits to go on.

        Args:
            first: before all that wait.
            alone: with no other in training.
        """
        self.end(number)
        if number in self._waiting or number in self._waiting_alone:
            return
        if alone:
            self._waiting_alone.append(number)
        elif first:
            self._waiting.appendleft(number)
        else:
            self._waiting.append(number)

    def next(self) -> int | None:
        """The trial to go on next, from now on in training; None where none waits or may."""
        if self.blocked:
            return None
        if self._waiting_alone:
            self._alone = number = self._waiting_alone.popleft()
        elif self._waiting:
            number = self._waiting.popleft()
        else:
            return None
        self._training.add(number)
        return number

    def gives_way(self, number: int) -> bool:
        """Whether a trial in training is to stop for one that must be alone."""
        return self.clearing and number != self._alone

    def end(self, number: int) -> None:
        """A trial is in training no more."""
        self._training.discard(number)
        if self._alone == number:
            self._alone = None
