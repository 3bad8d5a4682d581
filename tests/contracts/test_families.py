"""What every family must do, asked of each one that is registered."""

import pytest

from fesearch.contract.asking import small
from fesearch.contract.checks import CHECKS, Check, same_numbers_in_another_process
from fesearch.contract.elsewhere import trained_elsewhere
from fesearch.family import FAMILIES, Family

ALONE = [check for check in CHECKS if check is not same_numbers_in_another_process]


@pytest.fixture(params=FAMILIES.names())
def family(request: pytest.FixtureRequest) -> Family:
    return FAMILIES.get(request.param)


@pytest.mark.parametrize("check", ALONE, ids=lambda check: check.__name__)
def test_contract(family: Family, check: Check) -> None:
    if why := check(family):
        pytest.skip(why)


@pytest.fixture(scope="module")
def elsewhere() -> dict[str, list[float] | str]:
    """What each family's training gives in one other process, which serves them all."""
    return trained_elsewhere((family, small(family)) for family in FAMILIES)


def test_contract_in_another_process(
    family: Family, elsewhere: dict[str, list[float] | str]
) -> None:
    same_numbers_in_another_process(family, elsewhere)
