"""A few configs of a study, trained for a step or two each on its data, to see what they cost.

In a process of its own, as trials are: its memory is theirs, and a step that takes too long can be
ended.
"""

import multiprocessing
import queue
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fesearch.arrays import Arrays
from fesearch.errors import FesearchError, first_line
from fesearch.estimate import OF_RAY, TO_START, Plan, Sample
from fesearch.nets.device import gpu_count
from fesearch.nets.memory import let_go
from fesearch.own import Source, run
from fesearch.record import TrialSpec
from fesearch.search.budget import rungs_of
from fesearch.search.halving import FACTOR
from fesearch.search.prepare import Prepared
from fesearch.search.pruner import PRUNERS, Terms
from fesearch.search.room import bytes_of
from fesearch.seeds import derive
from fesearch.split import Development
from fesearch.trial import run as train

SECONDS = 20.0
"""Within which no further config is begun."""
PATIENCE = 60.0
"""Seconds after which a step is ended: it is known to take as long, then, and no more."""
_MOST = 6  # configs
_STEPS = 2  # of each: the first one has what is done once in it


def measure(prepared: Prepared) -> list[Sample]:
    """What trials of a study cost: the first, and some drawn from its space as time allows.

    Raises:
        FesearchError: the first one cannot be trained at all.
    """
    specs = _specs(prepared)
    context = multiprocessing.get_context("spawn")
    said: Any = context.Queue()
    arguments = (said, specs, prepared.development, prepared.study.own_sources())
    child = context.Process(target=_burst, args=arguments, daemon=True)
    child.start()
    try:
        return _collect(said, specs, child)
    finally:
        child.kill()
        child.join()
        said.close()


def plan(prepared: Prepared, parallel: int, time_limit: float | None) -> Plan:
    """What the study is to do, in the words of ``estimate``."""
    study, family = prepared.study, prepared.family
    step = family.resource.step
    rungs = tuple(rung // step for rung in rungs_of(study, family.resource))
    terms = Terms(rungs, study.reduction_factor or FACTOR, study.brackets or 1)
    best = family.first(prepared.space)
    return Plan(
        trials=study.budget(),
        parallel=parallel,
        courses=PRUNERS.get(study.pruner).courses(terms),
        data=bytes_of(prepared.development),
        keep=study.keep,
        extendable=family.extendable(best),
        time_limit=time_limit,
        of_ray=0.0 if study.runner == "inline" else OF_RAY,
        to_start=0.0 if study.runner == "inline" else TO_START,
        alone=study.runner == "auto" and study.address is None and not study.gpus,
    )


def _specs(prepared: Prepared) -> list[TrialSpec]:
    study, family = prepared.study, prepared.family
    device = "cuda" if study.gpus and gpu_count() else "cpu"  # its cluster may have them elsewhere
    configs = study.first_configs()[:_MOST]
    drawn = range(len(configs), _MOST)
    configs += [prepared.space.sample(derive(study.seed, "burst", n)) for n in drawn]
    return [
        TrialSpec(
            number=number,
            family=family.name,
            config=config,
            seed=derive(study.seed, "burst", "trial", number),
            steps=family.steps(config, study.max_epochs),
            metric=prepared.metric.name,
            threads=study.cpus_per_trial,
            device=device,
        )
        for number, config in enumerate(configs)
    ]


def _collect(said: Any, specs: Sequence[TrialSpec], child: Any) -> list[Sample]:
    """The samples that the child sends, until it ends or takes too long."""
    samples: list[Sample] = []
    began = time.monotonic()
    while len(samples) < len(specs):
        try:
            message = said.get(timeout=1.0)
        except queue.Empty:
            if child.is_alive() and time.monotonic() - began < PATIENCE:
                continue
            if samples or not child.is_alive():
                break
            return [_too_long(specs[0], time.monotonic() - began)]
        if message is None:
            break
        if isinstance(message, str):
            raise FesearchError(
                f"The first trial cannot be trained: {message}.",
                "Start the study with --trials 1 to see its log.",
            )
        samples.append(message)
    if not samples:
        raise FesearchError(
            f"The process that trained the first trial died (exit code {child.exitcode}).",
            "It may have been out of memory: see fesearch doctor.",
        )
    return samples


def _too_long(spec: TrialSpec, seconds: float) -> Sample:
    """What is known of a config whose first step was ended."""
    return Sample(0.0, seconds, len(spec.steps), 1, 0.0, 0.0, 0.0, 0.0, 0.0, whole=False)


def _burst(said: Any, specs: Sequence[TrialSpec], data: Development, own: Sequence[Source]) -> None:
    """Train one config after the other and send what each took; runs in the child."""
    for source in own:
        run(source)
    began = time.monotonic()
    for spec in specs:
        try:
            if spec.number == 0:  # what is imported for it is imported once by each worker
                train([spec], data)
                began = time.monotonic()
            said.put(_sample(spec, data))
        except (Exception, SystemExit) as error:  # noqa: BLE001  a config may not be trainable
            if spec.number == 0:
                said.put(first_line(error))
        let_go()
        if time.monotonic() - began > SECONDS:
            break
    said.put(None)


def _sample(spec: TrialSpec, data: Development) -> Sample:
    began = time.perf_counter()
    running = train([replace(spec, steps=spec.steps[:_STEPS])], data)
    to_begin = time.perf_counter() - began
    sizes: list[tuple[int, int]] = []
    times: list[float] = []
    before = 0.0
    for report in running:
        times.append(report.seconds - before)
        before = report.seconds
        checkpoint = running.checkpoint(0)
        model = {name: array for name, array in checkpoint.items() if name.startswith("best.")}
        sizes.append((_size(model), _size(checkpoint)))
    (model_before, checkpoint_before), (model_now, checkpoint_now) = sizes[0], sizes[-1]
    grown = len(sizes) > 1
    return Sample(
        to_begin=to_begin,
        step=min(times),
        steps=len(spec.steps),
        measured=len(sizes),
        model=model_now,
        model_growth=max(model_now - model_before, 0) if grown else 0,
        checkpoint=checkpoint_now,
        checkpoint_growth=max(checkpoint_now - checkpoint_before, 0) if grown else 0,
        memory=max(_most_memory() - bytes_of(data), 0.0),
    )


def _size(arrays: Arrays) -> int:
    return sum(array.nbytes for array in arrays.values())


def _most_memory() -> float:
    """Bytes that this process has had at most."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024.0 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):  # not Linux
        import resource

        return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
