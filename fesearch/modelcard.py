"""The README of a bundle: its card in words, for whoever finds the folder."""

from collections.abc import Mapping

from fesearch.bundle import Card
from fesearch.family import amount
from fesearch.metrics import metric_named
from fesearch.own import digits_in


def render(card: Card) -> str:
    """The model card as Markdown."""
    trained, data, split = card.trained, card.data, card.split
    low, high = card.target_range
    return f"""\
# {card.target} ({card.unit}) by {trained.family}

Predicts `{card.target}` in {card.unit} from {_reads(card)} of a compound. It is trial
{trained.trial} of the study `{trained.study}`, found and exported with fesearch.

## Use

In this folder, with fesearch {card.versions.get("fesearch", "")} installed:

{_commands(card)}

{_code(card)}`fesearch study start study.toml --name again` repeats the search that found it.

## How good it is

{_scores(card)}

## What it was trained on

| | |
|---|---|
| data | {data.title or data.name} (`{data.name}`, sha256 `{data.hash[:12]}`) |
| source | {data.source or "not stated"} |
| licence of the data | {data.licence or "not stated"} |
| division | `{split.spec}`, fingerprint `{split.fingerprint[:12]}` |
| rows | {split.train} to train, {split.val} to validate, {split.test} to test |
| target in training | {low:.4g} to {high:.4g} {card.unit} |
| features | {_features(card)} |
| training | {amount(trained.resource, trained.unit)}, best after {trained.best_resource}; \
{trained.seconds:.3g} s |
| parameters | {trained.parameters} |

Elements, with the number of training rows that contain them: {_counts(card.elements)}.

## The model

{_pairs(trained.config)}

## Limits

{_blind(card)}Elements not listed above, and values outside the range above, are guesses. The
validation score chose this model among others and is therefore a little too good.

## Citation

Data: {data.citation or data.source or data.name}. Model: the source of its family, which
`fesearch families show {trained.family}` prints, and fesearch.

## Versions

{_pairs(card.versions)}

`SHA256SUMS` vouches for every file here: `sha256sum -c SHA256SUMS`.
"""


def _reads(card: Card) -> str:
    """What it predicts from, in words."""
    columns = [f"`{name}`" for name in card.columns]
    what = ["the chemical formula", *(["the crystal structure"] * card.reads_structures), *columns]
    return " and ".join([", ".join(what[:-1]), what[-1]] if len(what) > 1 else what)


def _commands(card: Card) -> str:
    """How it is used; what no word on the command line can say comes in a file."""
    structure = " --structure structure" if card.reads_structures else ""
    words = [] if card.reads_structures or card.columns else ["Fe2O3 NaCl"]
    words.append(f"--file compounds.csv --formula formula{structure} --to predictions.csv")
    files = " --family-file FILE.py" * len(digits_in(*card.own))
    return "\n".join(f"    fesearch predict . {word}{files}" for word in words)


def _code(card: Card) -> str:
    """What there is to say of the user's own files that it takes; nothing where there are none."""
    if not card.own:
        return ""
    names = ", ".join(f"`{name}`" for name in card.own)
    return (
        f"It takes code that is not in this folder: {names}. `FILE.py` is the Python file that\n"
        "declares it, whose sha256 begins with the digits behind the `@`; it runs when you give it."
        "\n\n"
    )


def _features(card: Card) -> str:
    return ", ".join(f"`{one.name}`: {len(one.columns)} columns" for one in card.features)


def _blind(card: Card) -> str:
    if card.reads_structures:
        return ""
    return (
        "It has seen no structures: compounds of one composition and different structures get one\n"
        "prediction. "
    )


def _scores(card: Card) -> str:
    chosen, test = card.validation, card.test
    lines = [
        f"- validation {metric_named(chosen.metric).title}, {card.split.val} rows: "
        f"{_number(chosen.value, chosen.unit)}"
    ]
    if test is None:
        lines.append("- test: nobody has looked; `fesearch holdout` does, before an export.")
    for name, score in test.scores.items() if test else ():
        metric = metric_named(name)
        lines.append(
            f"- test {metric.title}, {card.split.test} rows: "
            f"{_number(score, metric.in_unit(card.unit))}"
        )
    if test:
        lines.append(f"- looks at this test part when it was scored: {test.looks}")
    return "\n".join(lines)


def _number(value: float | None, unit: str) -> str:
    return "not finite" if value is None else f"{value:.4g} {unit}".rstrip()


def _counts(elements: Mapping[str, int]) -> str:
    return ", ".join(f"{symbol} {count}" for symbol, count in elements.items())


def _pairs(values: Mapping[str, object]) -> str:
    return "\n".join(
        f"- {name}: {'none' if value is None else value}" for name, value in values.items()
    )
