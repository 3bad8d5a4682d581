"""What a study file means: every key with its default, checked whole before anything starts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, Literal, get_args

from pydantic import BaseModel, ByteSize, ConfigDict, Field, ValidationError

from fesearch.configs import completed, trying, written
from fesearch.duration import duration
from fesearch.errors import InputError, quoted
from fesearch.family import FAMILIES, Family, Resource
from fesearch.front import Objective
from fesearch.metrics import ALL_METRICS, Metric, metric_named
from fesearch.own import Source, features_in_full, mentioned, run_files
from fesearch.paths import checked_name
from fesearch.registry import nearest
from fesearch.space import Int, Space, Value, When, corners
from fesearch.splitspec import SplitSpec
from fesearch.tracker import TRACKERS

MOST_TRIALS = 2**31 - 1  # the store numbers them in an INTEGER
MOST_FIRST = 1000
MOST_EPOCHS = 1_000_000
"""Of a trial, which lists the epochs it reports after; a thousand times what the papers train."""
PLACE = ("address", "cpus", "gpus", "gpus_per_trial")
"""Keys that say where a study runs: it may go on elsewhere. Threads and device stay what they are,
since numbers depend on them."""
_DRAWN = 100  # configs of the space, tried beside its corners


class Study(BaseModel):
    """A study as its file writes it; flags of the command line replace single keys.

    Attributes:
        name: of the study in the store.
        family: model family whose configs are searched.
        data, target, features: data set, its column (default: its first), feature set (default:
            the family's own).
        preset: "published" (the space as the papers print it) or "full" (wider).
        space: parameter -> value, list of values or ``{low, high, log, step}``, replacing those
            of the preset.
        first: configs to try first, in place of the family's best one and its starts. Parameters
            that one leaves out are as in the best one, or the nearest in the space. With a time
            limit they are settled when the study starts, where networks are narrowed for it.
        split: as ``--split`` takes it, or its keys as a table.
        metric: of the validation part; decides everything.
        trials: budget; time_limit: another, such as "30m" or "8h"; the first to run out ends it.
        trial_time_limit: of a trial's computation, which ends at its next report then.
        retries: how often a trial whose worker is lost begins again from its checkpoint.
        max_epochs: end of a trial, for families that count epochs (default: its config's own, such
            as that of a schedule, or else the family's; earlier where a time limit asks for it).
        patience: resource without a better validation metric after which a trial ends (default: the
            family's own, but none where a schedule of the learning rate comes to an end).
        sampler: "tpe" (tree-structured Parzen estimator), "gp" (Gaussian process), "cmaes", "qmc"
            (scrambled Sobol points), "random", "grid" (each config once), or "auto", which picks
            one of them by space and budget and says which and why.
        pruner: "asha" stops trials that are behind at a rung; "hyperband" does in brackets, some of
            which leave trials alone for longer; "median" stops those worse than the median of the
            completed ones; "none" trains all to their end.
        grace, reduction_factor: first rung (in the family's resource) and ratio of the rungs; by
            default they follow from the budget.
        brackets: of "hyperband"; by default one for each rung.
        objectives: what counts beside the metric: "parameters" of the model, "seconds" of
            computation, "latency" of a prediction (see ``front.Objective``). It is the metric that
            is searched for; ``fesearch best`` shows the trials that no other one beats in all of
            these.
        seed: of the search and of every trial; the division has its own.
        cpus, cpus_per_trial, gpus, gpus_per_trial: what to use; cpus defaults to all there are.
        address: of a running Ray cluster; default: Ray is started here.
        runner: "ray"; "inline" for one trial at a time in this process; "auto" begins so, and goes
            on with Ray unless it is over sooner than Ray starts.
        keep: weights of this many best trials are kept, and of all that ``objectives`` show.
        disk_limit: of all files of the study, such as "20GB": fewer are kept where it is reached.
        warm_start: an earlier study of the store; its best configs are tried first, and where data,
            target, metric and division are the same its trials are known to the sampler.
        track: services to follow it in, such as ["mlflow", "wandb", "tensorboard"].
        own: Python files of the user's own that declare a family, metric or feature set. They
            are run; see ``own.py``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    family: str
    data: str = "miedema"
    target: str | None = None
    features: str | None = None
    preset: str = "published"
    space: dict[str, Any] = Field(default_factory=dict)
    first: list[dict[str, Any]] = Field(default_factory=list, max_length=MOST_FIRST)
    split: str | dict[str, Any] = "random"
    metric: str = "mae"
    trials: int = Field(default=100, ge=1, le=MOST_TRIALS)
    time_limit: str | None = None
    trial_time_limit: str | None = None
    retries: int = Field(default=2, ge=0)
    max_epochs: int | None = Field(default=None, ge=1, le=MOST_EPOCHS)
    patience: int | None = Field(default=None, ge=1)
    sampler: Literal["auto", "tpe", "gp", "cmaes", "qmc", "random", "grid"] = "tpe"
    pruner: Literal["asha", "hyperband", "median", "none"] = "asha"
    grace: int | None = Field(default=None, ge=1)
    reduction_factor: int | None = Field(default=None, ge=2)
    brackets: int | None = Field(default=None, ge=1)
    objectives: list[Objective] = Field(default_factory=list)
    seed: int = Field(default=0, ge=0, lt=2**63)
    cpus: int | None = Field(default=None, ge=1)
    cpus_per_trial: int = Field(default=1, ge=1)
    gpus: int = Field(default=0, ge=0)
    gpus_per_trial: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    address: str | None = None
    runner: Literal["auto", "ray", "inline"] = "auto"
    keep: int = Field(default=5, ge=1)
    disk_limit: ByteSize | None = Field(default=None, ge=1)
    warm_start: str | None = None
    track: list[str] = Field(default_factory=list)
    own: list[str] = Field(default_factory=list)

    def declared_family(self) -> Family:
        """The family's declaration."""
        return FAMILIES.get(self.family)

    def search_space(self) -> Space:
        """The preset's space with the study's own domains in it, every value of them legal."""
        family = self.declared_family()
        space = _with(family, self.preset, self._domains())
        for parameter in self.space:
            for config in trying(family, space, parameter):
                family.check(config)
        return space

    def _domains(self) -> dict[str, Any]:
        """The domains that replace the preset's: the study's own, and what these imply."""
        family = self.declared_family()
        space = _with(family, self.preset, self.space)
        return {**family.implied(space), **self.space}

    def first_configs(self) -> list[dict[str, Value]]:
        """The configs that are tried first.

        Raises:
            InputError: one of ``first`` is not of the space; names the parameter.
        """
        family, space = self.declared_family(), self.search_space()
        if not self.first:
            return family.firsts(space)
        return [completed(family, space, given) for given in self.first]

    def budget(self) -> int:
        """Trials in all: no more than there are configs."""
        size = self.search_space().size()
        return self.trials if size is None else min(self.trials, size)

    def end(self) -> int:
        """The resource after which none of its trials goes on."""
        if self.max_epochs is not None:
            return self.max_epochs
        family, space = self.declared_family(), self.search_space()
        tried = (trying(family, space, name, most=2) for name in space.parameters)
        return max(map(family.end, [family.first(space), *chain.from_iterable(tried)]))

    def declared_metric(self) -> Metric:
        """The metric's declaration."""
        return metric_named(self.metric)

    def split_spec(self) -> SplitSpec:
        """The division asked for."""
        if isinstance(self.split, str):
            return SplitSpec.parse(self.split)
        return SplitSpec.from_mapping(self.split)

    def in_full(self) -> "Study":
        """The study with its own files run, and what they declare called by its full name.

        Raises:
            InputError: a file cannot be run, or declares what it must not.
        """
        sources = [declared.source for declared in run_files(self.own)]
        said: dict[str, Any] = {
            "own": list(dict.fromkeys(str(source.path) for source in sources)),
            "family": FAMILIES.full_name(self.family),
            "metric": ALL_METRICS.full_name(self.metric),
        }
        features = self.features or self.declared_family().features
        in_full = features_in_full(features)
        if in_full != features:
            said["features"] = in_full
        spec = self.split_spec()
        if spec.rows is not None:
            said["split"] = str(replace(spec, rows=features_in_full(spec.rows)))
        return self.model_copy(update=said)

    def own_sources(self) -> tuple[Source, ...]:
        """The user's files that a study in full needs, as they were run."""
        return mentioned(self.family, self.metric, self.features or "", str(self.split_spec()))

    def resolved(self, target: str) -> "Study":
        """The study with what it left to defaults said, so that no later default changes it.

        A schedule of the learning rate ends no later than ``max_epochs`` does.

        Args:
            target: what it leaves to the order of columns in its data.
        """
        said = {
            "target": target,
            "features": self.features or self.declared_family().features,
            "split": str(self.split_spec()),
        }
        return self.with_schedules().model_copy(update=said)

    def with_schedules(self) -> "Study":
        """The study whose space says where schedules of the learning rate end.

        A config to be tried first that has such an end has it there at the latest too.
        """
        ends, first = self._schedules(), list(map(written, self.first))
        unit, most = self.declared_family().resource.unit, self.max_epochs
        for config in first:
            end = config.get(unit)
            if ends and isinstance(end, int) and most is not None and end > most:
                config[unit] = most
        return self.model_copy(update={"space": {**ends, **self._domains()}, "first": first})

    def _schedules(self) -> dict[str, Any]:
        """The ends of schedules that the preset has, none beyond the end of a trial."""
        family, most = self.declared_family(), self.max_epochs
        name = family.resource.unit  # a parameter that is called so is the config's own end
        entry = family.space(self.preset).parameters.get(name)
        domain = entry.domain if isinstance(entry, When) else entry
        if most is None or not isinstance(domain, Int) or domain.high <= most:
            return {}
        if domain.low >= most:
            return {name: most}
        return {name: {"low": domain.low, "high": most, "log": domain.log}}

    def moved(self, place: Mapping[str, Any]) -> "Study":
        """The study with other values for keys of ``PLACE``.

        Raises:
            InputError: it would have GPUs in place of none, or none in place of some.
        """
        moved = self.model_copy(update={key: place[key] for key in PLACE if key in place})
        if bool(moved.gpus) != bool(self.gpus):
            raise InputError(
                f"The study '{self.name}' was started with gpus = {self.gpus}, "
                f"not {moved.gpus}: its numbers depend on whether it has any.",
                f"Type: fesearch study resume {self.name}; or give another --name.",
            )
        return moved

    def check(self, *, new: bool = True) -> None:
        """Refuse whatever is wrong in itself; data, features and devices are not looked at.

        Args:
            new: corners of its space and configs drawn from it are tried too, and nothing may be
                named twice; a study that runs may have been started without that.

        Raises:
            InputError: names the key and what to type.
        """
        checked_name("study", self.name)
        family = self.declared_family()
        space = self.search_space()
        for config in [*corners(space), *map(space.sample, range(_DRAWN))] if new else []:
            family.check(config)
        self._check_first()
        if self.sampler == "grid":
            space.grid()
        self.declared_metric()
        self.split_spec()
        for limit in (self.time_limit, self.trial_time_limit):
            if limit is not None:
                duration(limit)
        if self.max_epochs is not None and family.resource.unit != "epochs":
            raise InputError(
                f"max_epochs is {self.max_epochs}, but {family.name} counts "
                f"{family.resource.unit}.",
                f"Leave max_epochs out; see fesearch families show {family.name}.",
            )
        named: dict[str, Sequence[str]] = {"track": self.track, "objectives": self.objectives}
        for key, names in named.items():
            if new and (twice := [name for name in names if names.count(name) > 1]):
                raise InputError(f"{key} has {quoted(twice[0])} twice.", "Name it once.")
        for name in self.track:
            TRACKERS.get(name)
        self._check_grace(family.resource)
        if self.brackets is not None and self.pruner != "hyperband":
            raise InputError(
                f"brackets is {self.brackets}, but the pruner is {self.pruner}, which has none.",
                "Leave brackets out, or give --pruner hyperband.",
            )
        if self.gpus and not family.gpu:
            raise InputError(
                f"{self.gpus} GPUs are asked for, but {family.name} does not use them.",
                "Leave --gpus out.",
            )
        if self.gpus_per_trial > 1 and not self.gpus_per_trial.is_integer():
            raise InputError(
                f"A trial is to take {self.gpus_per_trial:g} GPUs.",
                "Give a whole number, or a share of one, such as --gpus-per-trial 0.5.",
            )
        if self.gpus and self.gpus_per_trial > self.gpus:
            raise InputError(
                f"A trial is to take {self.gpus_per_trial:g} GPUs of {self.gpus}.",
                f"Give --gpus-per-trial {self.gpus} or less.",
            )
        if self.cpus is not None and self.cpus_per_trial > self.cpus:
            raise InputError(
                f"A trial is to take {self.cpus_per_trial} CPU cores of {self.cpus}.",
                f"Give --cpus-per-trial {self.cpus} or less.",
            )

    def _check_first(self) -> None:
        try:
            self.first_configs()
        except InputError as error:
            raise InputError(f"first: {error.message}", error.hint) from None

    def _check_grace(self, resource: Resource) -> None:
        """A first rung at which no trial reports would stop none."""
        if self.grace is None:
            return
        end = self.end()
        if self.grace > end or self.grace % resource.step:
            raise InputError(
                f"grace is {self.grace}, but trials end at {end} {resource.unit}, in steps of "
                f"{resource.step}.",
                f"Give a multiple of {resource.step} up to {end}, as in --set "
                f"grace={resource.step}.",
            )


def checked(keys: Mapping[str, Any], source: str) -> Study:
    """A study of plain keys, in full, that has nothing wrong in itself; see ``Study.check``."""
    study = from_keys(keys, source).in_full()
    study.check()
    return study


def from_keys(keys: Mapping[str, Any], source: str) -> Study:
    """A study of plain keys, such as a TOML file's.

    Raises:
        InputError: an unknown key (the nearest is named) or a value of the wrong kind.
    """
    for key in keys:
        if key not in Study.model_fields:
            near = nearest(key, Study.model_fields)
            hint = f"Did you mean '{near}'? " if near else ""
            raise InputError(
                f"The study '{source}' has an unknown key {quoted(key)}.",
                f"{hint}There are: {', '.join(Study.model_fields)}.",
            )
    try:
        return Study(**keys)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "missing":
            raise InputError(
                f"The study '{source}' has no {key}.", f"Write {key} = … into it."
            ) from None
        near = _nearest_word(key, first["input"])
        raise InputError(
            f"The study '{source}' has {key} = {first['input']!r}.",
            f"{near}{first['msg']}.",
        ) from None


def _nearest_word(key: str, given: Any) -> str:
    """A question whether the nearest of a key's words was meant, if it has words."""
    words = get_args(Study.model_fields[key].annotation) if key in Study.model_fields else ()
    near = nearest(str(given), [word for word in words if isinstance(word, str)])
    return f"Did you mean '{near}'? " if near else ""


def _with(family: Family, preset: str, domains: Mapping[str, Any]) -> Space:
    """The preset's space with these domains, as a study file writes them, in it."""
    space = family.space(preset)
    added = {name: entry for name, entry in family.settable.items() if name in domains}
    space = Space({**space.parameters, **added})
    for parameter, given in domains.items():
        space = space.replace(parameter, given)
    return space
