"""What is done once a search is over, within its time limit: look at the test part and export."""

import math
import time
from collections.abc import Collection, Sequence
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

    def refuse_foreign(self, studies: Collection[str]) -> None:
        """Refuse a folder with a model that no earlier run of this search has left.

        Args:
            studies: of the search.
        """
        if self.export is None or not self._is_there:
            return
        from fesearch.bundle import open_bundle

        there = {one.trained.study for one in open_bundle(self.export).card.members}
        if not there.issubset(studies):
            raise InputError(
                f"'{self.export}' has a model of {', '.join(sorted(there.difference(studies)))}.",
                "Choose another --export, or remove it.",
            )

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
                row, trial, on_record = _best([study], url)
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
            score = look.scores.get(metric.name)
            told = "not finite" if score is None else f"{score:.4g} {row.unit}".rstrip()
            say(f"{study}: test {metric.title} {told} (trial {trial.number}, look {look.sequence})")

    def write(self, study: str, url: str) -> None:
        """Export the best model of a study, if that was asked for and has not been done.

        Raises:
            InputError: an earlier run has left another model there.
        """
        if self.export is None:
            return
        if not self._is_there:
            from fesearch.export import export

            export(study, url, self.export)
        elif not self._is_of(study, url):
            raise InputError(
                f"'{self.export}' has another model than the best of '{study}', which an earlier "
                "run has left.",
                f"Type: fesearch export {study} --to ANOTHER-FOLDER",
            )
        say(f"The best model is in {self.export}")

    def done(self, name: str, url: str) -> bool:
        """Whether nothing of it is left to do for a study, or a search over many families."""
        try:
            row, _, look = _best([name], url)
        except NoResultError:  # there is nothing to score or export
            return True
        scored = look is not None or not self.holdout
        return scored and (self.export is None or (self._is_there and self._is_of(row.name, url)))

    def _is_of(self, study: str, url: str) -> bool:
        """Whether the model that is there is the best of a study."""
        from fesearch.bundle import open_bundle
        from fesearch.exportcard import is_of

        assert self.export is not None, "there is a model in it"
        row, best, _ = _best([study], url)
        return is_of(open_bundle(self.export).card, row, best)


def _best(names: Sequence[str], url: str) -> "tuple[StudyRow, TrialResult, Look | None]":
    """The best trial of studies with its study, and the last look at it.

    Args:
        names: of studies, or of searches over many families.

    Raises:
        NoResultError: no trial is usable.
    """
    from fesearch.finalists import finalists
    from fesearch.store.results import Store

    with Store.look(url) as store:
        [(row, trial)] = finalists(store, store.named(names))
        return row, trial, store.looks_at(row).get(trial.number)
