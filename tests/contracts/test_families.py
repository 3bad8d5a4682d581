"""What every family must do, asked of each one that is registered."""

import pytest

from fesearch.contract.asking import learner_of, small
from fesearch.contract.checks import CHECKS, Check, same_numbers_in_another_process
from fesearch.contract.data import data_for
from fesearch.contract.elsewhere import trained_elsewhere
from fesearch.family import FAMILIES, Family, Pausing

ALONE = [check for check in CHECKS if check is not same_numbers_in_another_process]


@pytest.fixture(params=FAMILIES.names())
def family(request: pytest.FixtureRequest) -> Family:
    return FAMILIES.get(request.param)


@pytest.mark.parametrize("check", ALONE, ids=lambda check: check.__name__)
def test_contract(family: Family, check: Check) -> None:
    if why := check(family):
        pytest.skip(why)


def test_every_network_pauses_within_an_epoch(family: Family) -> None:
    """A family whose models can be programs of torch's has epochs, which may take an hour."""
    learner = learner_of(family, small(family), data_for(family))
    assert isinstance(learner, Pausing) is family.program


@pytest.fixture(scope="module")
def elsewhere() -> dict[str, list[float] | str]:
    """What each family's training gives in one other process, which serves them all."""
    return trained_elsewhere((family, small(family)) for family in FAMILIES)


def test_contract_in_another_process(
    family: Family, elsewhere: dict[str, list[float] | str]
) -> None:
    same_numbers_in_another_process(family, elsewhere)
