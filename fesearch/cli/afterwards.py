"""What is done once a search is over, within its time limit: look at the test part and export."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fesearch.cli.output import say
from fesearch.duration import kept_back
from fesearch.errors import InputError, NoResultError
from fesearch.metrics import metric_named

if TYPE_CHECKING:
    from fesearch.record import TrialResult
    from fesearch.store.types import Look, StudyRow


@dataclass(frozen=True)
class Afterwards:
    """What was asked for.

    Attributes:
        holdout: score the best trial of each study on the test part, on record.
        export: folder to write the best model to.
        again: an earlier run of the same search may have done it already.
    """

    holdout: bool = False
    export: Path | None = None
    again: bool = False

    def __post_init__(self) -> None:
        """Refuse a folder that is taken before hours are spent."""
        to = self.export
        if to is None or not to.exists() or (self.again and self._is_there):
            return
        if not to.is_dir() or any(to.iterdir()):
            raise InputError(
                f"'{to}' exists already and is not an empty folder.",
                "Choose another --export, or remove it.",
            )

    @property
    def _is_there(self) -> bool:
        """Whether an earlier run has left a model."""
        from fesearch.bundlefiles import is_model

        return self.export is not None and is_model(self.export)

    @property
    def asked(self) -> bool:
        """Whether there is anything to do."""
        return self.holdout or self.export is not None

    def left(self, seconds: float) -> float:
        """What of a time limit is for the search."""
        return seconds - kept_back(seconds) if self.asked else seconds

    def look(self, studies: Sequence[str], url: str, until: float = math.inf) -> None:
        """Score the best of each study, where it has one, if that was asked for.

        Args:
            until: ``time.monotonic()`` after which none is scored any more.
        """
        from fesearch.holdout import holdout

        for place, study in enumerate(studies if self.holdout else ()):
            if time.monotonic() >= until:
                say(
                    f"Not scored, since the time is over: {', '.join(studies[place:])}.",
                    f"Score one with:  fesearch holdout {study}",
                )
                return
            try:
                row, trial, on_record = _best(study, url)
                look = on_record if self.again else None
                if look is None:
                    [one] = holdout(study, url).scored
                    trial, look = one.trial, one.look
            except NoResultError:
                continue
            except InputError as error:  # hours of search are not to end without the export
                say(f"{study}: not scored. {error.message}", error.hint or "")
                continue
            metric = metric_named(row.key.metric)
            score = look.scores[metric.name]
            say(
                f"{study}: test {metric.title} {score:.4g} {row.unit} "
                f"(trial {trial.number}, look {look.sequence})"
            )

    def write(self, study: str, url: str) -> None:
        """Export the best model of a study, if that was asked for.

        Raises:
            InputError: an earlier run has left another model there.
        """
        if self.export is None:
            return
        if self._is_there:
            self._refuse_another(study, url)
        else:
            from fesearch.export import export

            export(study, url, self.export)
        say(f"The best model is in {self.export}")

    def _refuse_another(self, study: str, url: str) -> None:
        from fesearch.bundle import open_bundle

        assert self.export is not None, "there is a model in it"
        _, best, _ = _best(study, url)
        there = [one.trained for one in open_bundle(self.export).card.members]
        wanted = (study, best.number, best.seed)
        if [(one.study, one.trial, one.seed) for one in there] != [wanted]:
            raise InputError(
                f"'{self.export}' has another model than trial {best.number} of '{study}', which "
                "is the best now.",
                f"Type: fesearch export {study} --to ANOTHER-FOLDER",
            )


def _best(study: str, url: str) -> "tuple[StudyRow, TrialResult, Look | None]":
    """The best trial of a study, and the last look at it.

    Raises:
        NoResultError: no trial is usable.
    """
    from fesearch.finalists import finalists
    from fesearch.store.results import Store

    with Store.look(url) as store:
        row = store.study(study)
        [(_, trial)] = finalists(store, [row])
        return row, trial, store.looks_at(row).get(trial.number)
