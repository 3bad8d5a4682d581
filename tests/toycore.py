"""A core of a made-up family, which trains nothing, and its ledger in memory."""

from dataclasses import replace

from fesearch.family import Family, Resource
from fesearch.metrics import METRICS
from fesearch.record import Report
from fesearch.search.core import Core
from fesearch.search.sampler import sampler_named
from fesearch.search.settings import Settings
from fesearch.space import Choice, Float, Space

SPACE = Space({"x": Float(0.0, 1.0), "kind": Choice(("a", "b"))})


def nothing(*arguments, **options):
    raise AssertionError("the core trains nothing")


TOY = Family(
    name="toy",
    title="Toy",
    source="none",
    published=SPACE,
    full=SPACE,
    best={"x": 0.5, "kind": "b"},
    resource=Resource("epochs", 1, 9),
    build=nothing,
    load=nothing,
    check=lambda config: None,
)


class Book:
    """A ledger in memory that notes the order of what it is told."""

    def __init__(self):
        self.results = {}
        self.reports = []
        self.begun = []
        self.retries = []
        self.waiting = []

    def queued(self, *, continuing=False):
        wanted = (one for one in self.waiting if not continuing or one.parent is not None)
        return next(wanted, None)

    def begin(self, spec, queued):
        assert spec.number not in self.begun
        if queued is not None:
            self.waiting.remove(queued)
        self.begun.append(spec.number)

    def report(self, number, report, decision, result):
        self.reports.append((number, report.resource, report.best, decision))
        self.results[number] = result

    def retry(self, result):
        self.retries.append((result.number, result.retries, result.reason))
        self.results[result.number] = result

    def finish(self, result):
        self.results[result.number] = result


def settings(**changes):
    basis = Settings(
        name="toy-study",
        family=TOY,
        space=SPACE,
        metric=METRICS["mae"],
        unit="eV/atom",
        seed=5,
        trials=12,
        rungs=(1, 3, 9),
    )
    return replace(basis, **changes)


def core_of(book, **changes):
    chosen = settings(**changes)
    sampler = sampler_named("tpe", chosen.space, chosen.seed, chosen.metric.direction)
    return Core(chosen, sampler, book)


def curve(config, epoch):
    """A made-up learning curve: better towards x = 0.3, falling with the epoch."""
    return abs(config["x"] - 0.3) + 1.0 / epoch


def report_of(spec, epoch, **changes):
    loss = curve(spec.config, epoch)
    basis = Report(0, epoch, loss, loss, epoch, 0.1 * epoch, 7, last=epoch == spec.steps[-1])
    return replace(basis, **changes)
