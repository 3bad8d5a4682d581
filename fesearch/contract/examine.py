"""All checks of one family, with what each found."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from fesearch.contract.asking import ContractError
from fesearch.contract.checks import CHECKS, Check
from fesearch.errors import FesearchError, first_line
from fesearch.family import Family

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        check: what was asked, in a sentence.
        result: "skipped" where the family is not asked.
        reason: why it failed or was skipped; empty where it passed.
    """

    check: str
    result: Literal["passed", "failed", "skipped"]
    reason: str = ""


def examine(family: Family) -> Iterator[Finding]:
    """Ask everything of a family that ``CHECKS`` has; an exception of its own is a failure too."""
    for check in CHECKS:
        yield _found(check, family)


def _found(check: Check, family: Family) -> Finding:
    asked = (check.__doc__ or "").strip().splitlines()[0].rstrip(".")
    try:
        skipped = check(family)
    except ContractError as error:
        return Finding(asked, "failed", str(error))
    except FesearchError as error:
        return Finding(asked, "failed", error.message)
    except (Exception, SystemExit) as error:  # noqa: BLE001  whatever a user's code raises
        _log.debug("%s", asked, exc_info=True)
        return Finding(asked, "failed", first_line(error))
    return Finding(asked, "skipped", skipped) if skipped else Finding(asked, "passed")
