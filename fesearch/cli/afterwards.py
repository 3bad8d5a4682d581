"""What is done once a search is over, within its time limit: look at the test part and export."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fesearch.cli.output import say
from fesearch.duration import kept_back
from fesearch.errors import InputError, NoResultError
from fesearch.metrics import metric_named


@dataclass(frozen=True)
class Afterwards:
    """What was asked for.

    Attributes:
        holdout: score the best trial of each study on the test part, on record.
        export: folder to write the best model to.
    """

    holdout: bool = False
    export: Path | None = None

    def __post_init__(self) -> None:
        """Refuse a folder that is taken before hours are spent."""
        to = self.export
        if to is not None and to.exists() and not (to.is_dir() and not any(to.iterdir())):
            raise InputError(
                f"'{to}' exists already and is not an empty folder.",
                "Choose another --export, or remove it.",
            )

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
                found = holdout(study, url)
            except NoResultError:
                continue
            except InputError as error:  # hours of search are not to end without the export
                say(f"{study}: not scored. {error.message}", error.hint or "")
                continue
            [one] = found.scored
            metric = metric_named(found.row.key.metric)
            unit = metric.in_unit(found.target_unit)
            score = one.look.scores[metric.name]
            say(
                f"{study}: test {metric.title} {score:.4g} {unit} "
                f"(trial {one.trial.number}, look {one.look.sequence})"
            )

    def write(self, study: str, url: str) -> None:
        """Export the best model of a study, if that was asked for."""
        if self.export is not None:
            from fesearch.export import export

            export(study, url, self.export)
            say(f"The best model is in {self.export}")
