"""Which sampler suits a study whose sampler is "auto", and why in a sentence.

Few trials need no rule of their own: all that learn begin with the points of ``qmc``, and a study
that is extended, or that starts warm, has more to learn from than its budget says.
"""

from importlib.util import find_spec

from fesearch.errors import counted
from fesearch.space import Choice, Space, When
from fesearch.study import Study

MOST_FOR_GP = 200
"""A Gaussian process of more trials takes seconds a suggestion. Optuna's documentation gives it
budgets up to 500 trials, TPE 100 to 1000, and CMA-ES 1000 to 10,000.

Beside a pruner it learns from guesses, of what the stopped trials would have come to: on recorded
curves TPE, which takes them as they are, was as fast or faster there (benchmarks/policies.py)."""
FEWEST_FOR_CMAES = 1000


def picked(study: Study) -> tuple[str, str]:
    """The sampler for a study's space and budget, and why it is that."""
    space, trials = study.search_space(), study.trials
    size, budget = space.size(), counted(trials, "trial")
    if size is not None and size <= trials:
        return "grid", f"a budget of {budget} has room for each of the {size} configs"
    conditional = any(isinstance(entry, When) for entry in space.parameters.values())
    stopped = study.pruner != "none" and study.end() > study.declared_family().resource.step
    if not conditional and trials <= MOST_FOR_GP and not stopped:
        small = f"a budget of {budget} is small"
        return "gp", f"{small}, no parameter depends on another, and no trial is stopped early"
    if trials >= FEWEST_FOR_CMAES and not conditional and _numbers_alone(space):
        if find_spec("cmaes"):
            return "cmaes", f"{trials} trials are many, and all parameters are numbers"
        return "tpe", f"cmaes, for {trials} trials of numbers alone, is not installed"
    if conditional:
        return "tpe", "some parameters depend on others, which TPE takes as they are"
    if trials <= MOST_FOR_GP:
        return "tpe", f"{study.pruner} stops trials early, which TPE takes as they are"
    return "tpe", f"{trials} trials are many for a Gaussian process"


def _numbers_alone(space: Space) -> bool:
    """Whether every parameter is a range or a single value, and two or more are ranges."""
    entries = space.parameters.values()
    fixed = [e for e in entries if isinstance(e, Choice) and len(e.options) == 1]
    choices = [e for e in entries if isinstance(e, Choice)]
    return choices == fixed and len(entries) - len(fixed) > 1
