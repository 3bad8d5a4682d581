"""Real, small studies for tests of results: two families on 60 alloys, trained in seconds."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import sqlalchemy as sa

from fesearch import dataset, library
from fesearch.record import Decision, Fault, Report, TrialResult, TrialSpec, TrialState
from fesearch.search.folder import new_folder, trial_folder
from fesearch.search.prepare import prepare
from fesearch.search.worker import LOG, MODEL
from fesearch.seeds import derive
from fesearch.store.results import Store
from fesearch.store.schema import STUDIES
from fesearch.store.studies import PORTFOLIO
from fesearch.store.types import StudyRow, StudyState
from fesearch.study import Study
from fesearch.trial import run

DATA, TARGET, UNIT = "alloys", "h_form", "eV/atom"
METALS = ("Al", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Zr", "Nb")
FORMULAS = [a + b for a, b in combinations(METALS, 2)][:60]
SMALL_NET = {
    "depth": 3,
    "width": 0.03125,
    "activation": "relu",
    "output_activation": None,
    "norm": None,
    "loss": "mae",
    "optimizer": "adam",
    "learning_rate": 0.01,
    "batch_size": 8,
}
SMALL_FOREST = {
    "n_estimators": 20,
    "min_samples_split": 5,
    "max_features": 0.33,
    "max_depth": 10,
}


def save_data() -> None:
    """Keep the data set among the artifacts."""
    draw = np.random.default_rng(0)
    energies = np.linspace(-0.8, 0.2, len(FORMULAS)) + draw.normal(0.0, 0.02, len(FORMULAS))
    made = dataset.make(
        DATA,
        FORMULAS,
        {TARGET: energies},
        {TARGET: UNIT},
        title="Made-up alloys",
        source="a line and some noise",
        licence="CC0",
        citation="Nobody, 2026",
    )
    library.save(made)


def search(
    url: str, name: str, family: str, configs: Sequence[dict[str, Any]], **keys: Any
) -> StudyRow:
    """A study of these configs, each trained to its end; None of them is stopped early."""
    given: dict[str, Any] = {"data": DATA, "seed": 1, "trials": max(len(configs), 1), **keys}
    study = Study(name=name, family=family, **given)
    prepared = prepare(study)
    with Store.open(url) as store:
        row = store.create_study(
            name,
            {"study": prepared.study.model_dump(mode="json"), "folder": new_folder(name)},
            seed=study.seed,
            key=prepared.key,
            unit=prepared.unit,
            direction=prepared.metric.direction,
            division=prepared.division,
            features=prepared.features.digest,
            versions={"fesearch": "0.1.0"},
        )
        unit = prepared.family.resource.unit
        lease = store.acquire(row)
        for number, config in enumerate(configs):
            spec = TrialSpec(
                number=number,
                family=family,
                config=config,
                seed=derive(1, "trial", number),
                steps=prepared.family.steps(config, study.max_epochs),
                metric=study.metric,
                folder=trial_folder(row, number),
            )
            store.begin_trial(lease, spec, unit)
            running = run([spec], prepared.development)
            for report in running:
                result = finished(spec, report, unit) if report.last else None
                store.report(lease, number, report, Decision.CONTINUE, result)
            assert spec.folder is not None
            running.model(0).save(spec.folder / MODEL)
            (spec.folder / LOG).write_text("what happened\n")
        store.set_state(lease, StudyState.COMPLETE)
        store.release(lease)
        return store.study(name)


def finished(spec: TrialSpec, report: Report, unit: str) -> TrialResult:
    """The end of a trial that its last report brings."""
    return TrialResult(
        number=spec.number,
        family=spec.family,
        config=spec.config,
        seed=spec.seed,
        state=TrialState.COMPLETE,
        value=report.best,
        resource=report.resource,
        best_resource=report.best_resource,
        unit=unit,
        seconds=report.seconds,
        parameters=report.parameters,
        scores=report.scores,
    )


def fail(url: str, name: str) -> None:
    """Add a trial to a study that ends by a fault of the machine."""
    with Store.open(url) as store:
        row = store.study(name)
        last = store.trials(row)[-1]
        lease = store.acquire(row)
        spec = TrialSpec(last.number + 1, last.family, last.config, last.seed, (1,))
        store.begin_trial(lease, spec, last.unit)
        ended = replace(
            last,
            number=spec.number,
            state=TrialState.FAIL,
            value=None,
            best_resource=None,
            fault=Fault.MACHINE,
            reason="MemoryError: no message",
            seconds=1.0,
        )
        store.finish_trial(lease, ended)
        store.release(lease)


def join(url: str, name: str, studies: Sequence[str]) -> None:
    """Make studies those of a search over many families."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for study in studies:
            [row] = connection.execute(sa.select(STUDIES.c.definition).filter_by(name=study))
            definition = {**row.definition, PORTFOLIO: {"name": name}}
            change = sa.update(STUDIES).where(STUDIES.c.name == study)
            connection.execute(change.values(definition=definition))
    engine.dispose()


def search_all(url: str) -> None:
    """Three studies: ``nets`` and ``forests`` on one division, ``elsewhere`` on another."""
    save_data()
    nets = [SMALL_NET, {**SMALL_NET, "learning_rate": 1e-4}]
    search(url, "nets", "irnet", nets, max_epochs=4, preset="full", keep=2)
    forests = [SMALL_FOREST, {**SMALL_FOREST, "max_depth": 1}]
    search(url, "forests", "random_forest", forests, preset="full")
    search(url, "elsewhere", "random_forest", [SMALL_FOREST], split="random:seed=7")
    fail(url, "forests")
