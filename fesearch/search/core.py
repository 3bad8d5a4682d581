"""The decisions of a search, whatever runs its trials: suggest, report -> decision, finish.

No Ray here. Everything decided is in the store before it is answered, so a core built anew from the
store (``restore``) goes on with the decisions of one that was never interrupted.
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from fesearch.duration import spelled
from fesearch.record import Decision, Fault, Report, TrialResult, TrialSpec, TrialState
from fesearch.search import deaths
from fesearch.search.faults import Cause
from fesearch.search.firsts import Firsts
from fesearch.search.hopeless import Failures
from fesearch.search.pruner import PRUNERS, Rule, Terms
from fesearch.search.roles import NONE_BEGUN, LastBegun, Ledger, Recorded, Watcher
from fesearch.search.sampler import Sampler
from fesearch.search.settings import Settings
from fesearch.search.turns import Turns
from fesearch.search.verdict import NO_MEMORY, is_alone, told_apart, verdict
from fesearch.seeds import derive

INTERRUPTED = "interrupted"
LATE = "the time limit is reached"
"""Two reasons of ``Core.stopped``; others are the words of who stopped it."""


class Core:
    """One search: its sampler, its rule of stopping, its running trials."""

    def __init__(
        self,
        settings: Settings,
        sampler: Sampler,
        ledger: Ledger,
        watchers: Iterable[Watcher] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.rule: Rule = PRUNERS.get(settings.pruner).make(
            Terms(settings.rungs, settings.reduction_factor, settings.brackets, settings.seed)
        )
        self._sampler = sampler
        self._ledger = ledger
        self._watchers = tuple(watchers)
        self._clock = clock
        self._sign = 1.0 if settings.metric.direction == "minimize" else -1.0
        self._running: dict[int, TrialResult] = {}
        self._died_in: int | None = None
        self._parents: dict[int, int] = {}
        self._turns = Turns()
        self._failures = Failures()
        self._least = math.inf  # loss of those that have ended and are of use
        self._firsts = Firsts(settings)
        self._next = 0
        self._exhausted = False
        self._first_value_at = math.inf
        self._stop_reason = ""

    def restore(
        self,
        results: Iterable[TrialResult],
        reports: Iterable[Recorded],
        last_begun: LastBegun = NONE_BEGUN,
        *,
        died: bool = False,
    ) -> None:
        """Take up a search from its records.

        Args:
            results: every trial begun so far, in order of number; those RUNNING were interrupted
                and are given out again first.
            reports: every report in the order it was recorded.
            last_begun: which of them came before the last trial began, which its sampler may
                have made the next config of.
            died: the process that trained them, one after the other, came to no end of its own.
        """
        results, reports = list(results), list(reports)
        known = {result.number: result for result in results}
        for result in results[:-1]:
            self._take_up(result)
        self._recall(reports[: last_begun.reports], known)
        self._finish(one for one in results if one.number in last_begun.ended)
        for result in results[-1:]:
            self._take_up(result)
        self._recall(reports[last_begun.reports :], known)
        self._finish(one for one in results if one.number not in last_begun.ended)
        self._next = max(known, default=-1) + 1
        self._died_in = min(self._running, default=None) if died else None
        self._watch("opened", self, results)

    def _take_up(self, result: TrialResult) -> None:
        """A trial that was begun before; one that was interrupted is to be given out again."""
        self._given(result)
        if not result.state.finished:
            self._running[result.number] = result
            self._turns.interrupt(result.number, alone=is_alone(result))

    def _recall(self, reports: Iterable[Recorded], known: Mapping[int, TrialResult]) -> None:
        """Reports that were decided on before."""
        for recorded in reports:
            result = known[recorded.number]
            at_end = recorded.resource == result.resource
            diverged = result.fault is Fault.DIVERGED and at_end
            self._learn(recorded.number, recorded.resource, recorded.best, diverged)
            if result.state is TrialState.COMPLETE and at_end:
                self.rule.complete(result.number)

    def _finish(self, results: Iterable[TrialResult]) -> None:
        """Trials that ended before."""
        for result in results:
            if result.state.finished:
                self._sampler.finish(result)
            if result.state.usable:
                self._failures.hope()
                self._least = min(self._least, self._loss(result))

    def stop(self, reason: str) -> None:
        """Begin nothing more; stop every running trial at its next report, to be resumed."""
        self._stop_reason = self._stop_reason or reason

    def extend(self, settings: Settings) -> None:
        """Take up a budget that was changed: trials, the end of a trial, its rungs, the deadline.

        Running trials keep the ends they began with. It may be called from another thread.
        """
        self.rule = self.rule.extended(settings.rungs)
        self.settings = settings
        self._firsts.renew(settings)
        if self._stop_reason == LATE and not self._late():
            self._stop_reason = ""

    def note(self, line: str) -> None:
        """Tell whoever looks on, from any thread."""
        self._watch("noted", line)

    @property
    def latest(self) -> float:
        """When every trial is to have reported: beyond the deadline, until one has a value."""
        deadline, overrun = self.settings.deadline, self.settings.overrun
        if deadline is None:
            return math.inf
        return deadline + min(max(self._first_value_at - deadline, 0.0), overrun)

    def late(self, grace: float) -> bool:
        """Whether so many seconds have gone since every trial was to have reported."""
        return self._clock() > self.latest + grace

    @property
    def stopping(self) -> bool:
        """It has been asked to stop; unlike ``stopped`` it says so without asking the ledger."""
        return bool(self._stop_reason)

    @property
    def halting(self) -> bool:
        """It is to stop at once; where its time is over, trials may first come to a report."""
        return self._stop_reason not in ("", LATE)

    @property
    def hopeless(self) -> bool:
        """It stopped since every trial failed by a fault that is not its config's doing."""
        return bool(self._failures.verdict) and self._stop_reason == self._failures.verdict

    @property
    def stopped(self) -> str:
        """Why the search stopped before its budget of trials, or an empty text."""
        if not self._running and self._all_begun:  # the ledger is asked last
            return ""
        if not self._stop_reason and self._late():
            self._stop_reason = LATE
        return self._stop_reason

    @property
    def done(self) -> bool:
        """No further trial will begin."""
        return bool(self.stopped) or (not self._running and self._all_begun)

    @property
    def budget(self) -> int:
        """Trials in all: those of the settings, and those that go on from one of them."""
        return self.settings.trials + len(self._parents)

    @property
    def to_begin(self) -> int:
        """Trials of the budget that have not begun."""
        return max(self.budget - self._next, 0)

    @property
    def clears_the_way(self) -> bool:
        """A trial waits until it is alone; those in training stop at their next reports."""
        return self._turns.clearing

    @property
    def running(self) -> tuple[int, ...]:
        """Numbers of the trials that have begun and not ended."""
        return tuple(self._running)

    def suggest(self) -> TrialSpec | None:
        """The next trial to run, recorded as begun; None when there is none to run now.

        There is none at all once the core is ``done``; before, a worker may be lost, or a trial
        be alone that needs all the memory.
        """
        if self.done:
            return None
        urgent = self._firsts.urgent and not self._spent
        if not urgent and (waiting := self._turns.next()) is not None:
            spec = self._spec(self._running[waiting])
            self._watch("began", spec, True)
            return spec
        if self._turns.blocked or self._all_begun:
            return None
        queued = None if urgent else self._ledger.queued(continuing=self._spent)
        config = queued.config if queued else self._firsts.next
        if config is None:
            config = self._sampler.suggest(self._next)
        if config is None:
            self._exhausted = True
            return None
        parent = queued.parent if queued else None
        standing = TrialResult(
            number=self._next,
            family=self.settings.family.name,
            config=config,
            seed=derive(self.settings.seed, "trial", self._first(parent, self._next)),
            state=TrialState.RUNNING,
            unit=self.settings.family.resource.unit,
            parent=parent,
        )
        spec = self._spec(standing)
        self._ledger.begin(spec, queued)
        self._given(standing)
        self._running[spec.number] = standing
        self._turns.begin(spec.number)
        self._next += 1
        self._watch("began", spec, False)
        return spec

    def report(self, number: int, report: Report) -> Decision:
        """Decide on a report of a running trial.

        A report at a resource recorded before an interruption is answered, not recorded again; if
        the trial ends there now, by its time limit say, its end is recorded.
        """
        if number not in self._running:
            return Decision.STOP
        standing = self._running[number]
        if report.resource <= standing.resource and report.diverged:
            self.fail(number, f"diverged where it was trained again: {report.diverged}")
            return Decision.STOP
        if report.resource <= standing.resource and report.last:
            ended = self._ended(standing.after(report), report)
            self._ledger.finish(ended)
            self._end(ended)
            return Decision.STOP
        if report.resource > standing.resource:
            standing, decision = self._decide(standing, report)
            self._ledger.report(number, report, decision, standing)
            self._running[number] = standing
            self._watch("reported", number, report)
            if standing.state.finished:
                self._end(standing)
                return Decision.STOP
        if self.stopped or self._turns.gives_way(number):
            self._turns.interrupt(number)
            return Decision.STOP
        return Decision.CONTINUE

    def halted(self, number: int) -> None:
        """The training of a running trial was ended before its end; it can go on from there."""
        if number in self._running:
            self._turns.interrupt(number, alone=is_alone(self._running[number]))

    @property
    def leading(self) -> TrialSpec | None:
        """The interrupted trial that is better than all that have ended, if there is one."""
        number = min(self._running, key=lambda one: self._loss(self._running[one]), default=-1)
        if number < 0 or self._loss(self._running[number]) >= self._least:
            return None
        return self._spec(self._running[number])

    def value(self, number: int) -> float | None:
        """The best value so far of a trial that has not ended."""
        return self._running[number].value

    def conclude(self, number: int) -> None:
        """End an interrupted trial where it stands: there is no more time for it."""
        standing = replace(self._running[number], state=TrialState.PRUNED, reason=LATE)
        self._ledger.finish(standing)
        self._end(standing)

    def fault(self, number: int, cause: Cause, reason: str) -> None:
        """Decide what becomes of a running trial whose training a fault of the machine ended.

        See ``verdict``. A full disk stops the search, and the trial can be resumed.
        """
        if number not in self._running:
            return
        standing = self._running[number]
        cause, reason = told_apart(standing, cause, reason, self.settings)
        if cause is Cause.DISK:
            self.stop(f"{reason} (trial {number})")
        if self.stopped and cause in (Cause.DISK, Cause.LOST):
            self._turns.interrupt(number)
            return
        found = verdict(standing, cause, reason, self.settings)
        if found.again:
            self._retry(number, found.reason, alone=found.alone)
        else:
            self.fail(number, found.reason)

    def survived(self, number: int, where: str) -> bool:
        """Count it, if the last process died in training this trial, which is about to go on.

        Args:
            where: its last checkpoint, in words.

        Returns:
            whether it may; else it has failed, as a config may crash whatever trains it.
        """
        if number != self._died_in:
            return True
        self._died_in, standing = None, self._running[number]
        amount = self.settings.family.resource.amount(standing.resource)
        alone = f"{NO_MEMORY}, and " if is_alone(standing) else ""
        place = f"after {amount} ({where})"
        reason, enough = deaths.noted(standing.reason.removeprefix(alone), place)
        if enough:
            self.fail(number, reason)
            return False
        self._running[number] = standing = replace(standing, reason=f"{alone}{reason}")
        self._ledger.retry(standing)
        return True

    def overdue(self, number: int) -> None:
        """End a running trial that was over its time limit without a report, and was killed."""
        limit = spelled(self.settings.trial_time_limit or 0.0)
        self.fail(number, f"over its time limit of {limit}: no report in that time")

    def fail(self, number: int, reason: str) -> None:
        """End a running trial by a fault of the machine: an exception, memory, a lost worker."""
        if number not in self._running:
            return
        standing = replace(
            self._running[number], state=TrialState.FAIL, fault=Fault.MACHINE, reason=reason
        )
        self._ledger.finish(standing)
        self._end(standing)

    def _retry(self, number: int, reason: str, *, alone: bool = False) -> None:
        standing = self._running[number]
        standing = replace(standing, retries=standing.retries + 1, reason=reason)
        self._ledger.retry(standing)
        self._running[number] = standing
        self._turns.interrupt(number, first=True, alone=alone)
        self.note(f"trial {number} goes on after {reason}")

    def _decide(self, standing: TrialResult, report: Report) -> tuple[TrialResult, Decision]:
        diverged = report.diverged is not None
        decision = self._learn(standing.number, report.resource, report.best, diverged)
        if standing.config in self.settings.spared:
            decision = Decision.CONTINUE
        standing = standing.after(report)
        if diverged or report.last:
            return self._ended(standing, report), Decision.STOP
        if decision is Decision.STOP:
            reason = self._behind(standing.number, report)
            return replace(standing, state=TrialState.PRUNED, reason=reason), decision
        return standing, decision

    def _ended(self, standing: TrialResult, report: Report) -> TrialResult:
        """How a trial stands that trains no further by itself."""
        if report.diverged is not None:
            reason = f"diverged: {report.diverged}"
            return replace(standing, state=TrialState.FAIL, fault=Fault.DIVERGED, reason=reason)
        over = self.settings.over(standing)
        if over.state is TrialState.COMPLETE:
            self.rule.complete(over.number)
        return over

    def _learn(self, number: int, resource: int, best: float | None, diverged: bool) -> Decision:
        """Tell the sampler and the rungs of a report; the same when it is read from the store."""
        self._sampler.report(number, resource, None if diverged else best)
        if best is None or diverged:
            return Decision.CONTINUE
        self._first_value_at = min(self._first_value_at, self._clock())
        return self.rule.decide(number, resource, self._sign * best)

    def _behind(self, number: int, report: Report) -> str:
        settings = self.settings
        amount = settings.family.resource.amount(report.resource)
        value = f"{settings.metric.title} {report.best:.4g} after {amount}"
        return f"{value} {self.rule.behind(number)}"

    def _end(self, result: TrialResult) -> None:
        del self._running[result.number]
        self._turns.end(result.number)
        self._sampler.finish(result)
        if result.state.usable:
            self._least = min(self._least, self._loss(result))
        self._watch("ended", result)
        self._failures.ended(result)
        promising = any(standing.value is not None for standing in self._running.values())
        if self._failures.verdict and not promising:
            self.stop(self._failures.verdict)

    def _loss(self, result: TrialResult) -> float:
        return math.inf if result.value is None else self._sign * result.value

    def _given(self, standing: TrialResult) -> None:
        self._sampler.begin(standing.number, standing.family, standing.config)
        self._firsts.begin(standing.config)
        if standing.parent is not None:
            self._parents[standing.number] = standing.parent

    def _first(self, parent: int | None, number: int) -> int:
        """The trial that ``number``, going on from ``parent``, goes on from in the end."""
        while parent is not None:
            number, parent = parent, self._parents.get(parent)
        return number

    def _spec(self, standing: TrialResult) -> TrialSpec:
        return self.settings.spec(standing, self.rule.rungs(standing.number))

    @property
    def _spent(self) -> bool:
        """Every trial of the budget, or every config of the space, has begun."""
        return self._next >= self.budget or self._exhausted

    @property
    def _all_begun(self) -> bool:
        """The budget is spent, and no trial waits to go on from one that has ended."""
        return self._spent and self._ledger.queued(continuing=True) is None

    def _late(self) -> bool:
        return self.settings.deadline is not None and self._clock() >= self.settings.deadline

    def _watch(self, event: str, *arguments: object) -> None:
        for watcher in self._watchers:
            getattr(watcher, event)(*arguments)
