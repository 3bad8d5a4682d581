"""The README of a bundle: its card in words, for whoever finds the folder."""

import re
from collections.abc import Mapping

from fesearch.bundlefiles import model_folders, study_files
from fesearch.card import PROGRAMS, Card, Member, ProgramKind
from fesearch.errors import printable
from fesearch.family import FAMILIES, amount
from fesearch.metrics import metric_named
from fesearch.own import digits_in

_CALLS: Mapping[ProgramKind, str] = {
    "onnx": """\
    import onnxruntime
    session = onnxruntime.InferenceSession("{file}")
    prediction = session.run(None, {{"x": x}})[0]""",
    "torch": """\
    import torch
    program = torch.export.load("{file}").module()
    prediction = program(torch.from_numpy(x))

A `.pt2` may hold pickles, and loading one may run them: `SHA256SUMS` says that it is the file that
was exported, not that whoever exported it can be trusted. fesearch itself never opens it.""",
}


_SIGNS = re.compile(r"[\\`*<>\[\]|~&]|(?<![^\W_])_|_(?![^\W_])")
"""What means something in Markdown or HTML; not the _ within a word."""


def plain(text: object) -> str:
    """Any text as Markdown shows it: on one line, and no sign of it is obeyed."""
    return _SIGNS.sub(r"\\\g<0>", " ".join(printable(str(text)).split()))


def code(text: str) -> str:
    """A name as code; with signs that would end it there, as plain text."""
    name = " ".join(printable(text).split())
    return plain(name) if set(name) & set("`|") else f"`{name}`"


def render(card: Card) -> str:
    """The model card as Markdown."""
    data, split = card.data, card.split
    low, high = card.target_range
    families = " and ".join(card.families)
    return f"""\
# {plain(card.target)} ({plain(card.unit)}) by {plain(families)}

Predicts {code(card.target)} in {plain(card.unit)} from {_reads(card)} of a compound.
It is {_origin(card)}, found and exported with fesearch.

## Use

In this folder, with fesearch {card.versions.get("fesearch", "")} installed:

{_commands(card)}

{_code(card)}This repeats the search that found it, where {code(data.name)} is the data set
described below (`fesearch data show` has its sha256):

{_searches(card)}

{_programs(card)}## How good it is

{_scores(card)}
{_drawn(card)}{_refitted(card)}{_intervals(card)}
## What it was trained on

| | |
|---|---|
| data | {plain(data.title or data.name)} ({code(data.name)}, sha256 `{data.hash[:12]}`) |
| source | {plain(data.source or "not stated")} |
| licence of the data | {plain(data.licence or "not stated")} |
| division | {code(split.spec)}, fingerprint `{split.fingerprint[:12]}` |
| rows | {_rows(card)} |
| target in training | {low:.4g} to {high:.4g} {plain(card.unit)} |
| features | {_features(card)} |

Elements, with the number of training rows that contain them: {_counts(card.elements)}.

{_folds(card)}{_models(card)}

## Limits

{_blind(card)}Elements not listed above, and values outside the range above, are guesses. The
score on {"inner folds" if split.folds else "validation rows"} chose this model among others and is
therefore a little too good.

## Citation

Data: {plain(data.citation or data.source or data.name)}.

{_sources(card)}

Software: fesearch {card.versions.get("fesearch", "")}.

## Versions

{_pairs(card.versions)}

`SHA256SUMS` vouches for every file here: `sha256sum -c SHA256SUMS`.
"""


def _sources(card: Card) -> str:
    """Where the families of its models are described."""
    return "\n".join(
        f"Model, {plain(name)}: {plain(FAMILIES.get(name).source)}" for name in card.families
    )


def _origin(card: Card) -> str:
    if len(card.members) == 1:
        return f"trial\n{card.trained.trial} of the study {code(card.trained.study)}"
    studies = dict.fromkeys(code(one.trained.study) for one in card.members)
    return (
        f"the mean of\n{len(card.members)} models of {' and '.join(studies)}, picked "
        f"{card.picks} times by their validation score"
    )


def _reads(card: Card) -> str:
    """What it predicts from, in words."""
    columns = [code(name) for name in card.columns]
    what = ["the chemical formula", *(["the crystal structure"] * card.reads_structures), *columns]
    return " and ".join([", ".join(what[:-1]), what[-1]] if len(what) > 1 else what)


def _commands(card: Card) -> str:
    """How it is used; what no word on the command line can say comes in a file."""
    structure = " --structure structure" if card.reads_structures else ""
    words = [] if card.reads_structures or card.columns else ["Fe2O3 NaCl"]
    words.append(f"--file compounds.csv --formula formula{structure} --to predictions.csv")
    return "\n".join(f"    fesearch predict . {word}{_files(*card.own)}" for word in words)


def _searches(card: Card) -> str:
    """How its studies are started again, each under a name of its own."""
    names = study_files(len({one.trained.study for one in card.members}))
    files = _files(*card.own, card.validation.metric, card.split.spec)
    return "\n".join(
        f"    fesearch study start {name} --name {name.replace('study', 'again')[:-5]}{files}"
        for name in names
    )


def _files(*names: str) -> str:
    """The words that give the user's own code which names speak of."""
    return " --family-file FILE.py" * len(digits_in(*names))


def _code(card: Card) -> str:
    """What there is to say of the user's own code that it takes; nothing where there is none."""
    own = (*card.own, card.validation.metric)
    files = [code(name) for name in dict.fromkeys(own) if digits_in(name)]
    packages = [code(name) for name in card.own if not digits_in(name)]
    said = ""
    if files:
        said += (
            f"It takes code that is not in this folder: {', '.join(files)}. `FILE.py` is the "
            "Python file that\ndeclares it, whose sha256 begins with the digits behind the `@`; it "
            "runs when you give it.\n\n"
        )
    if packages:
        said += (
            f"It takes code of packages that must be installed: {', '.join(packages)}. Behind the "
            "`@` stand\nthe package and the digits that the sha256 of its code begins with; its "
            "version is below.\n\n"
        )
    return said


def _programs(card: Card) -> str:
    """How networks are used without fesearch; nothing where there are no such files."""
    folders = zip(model_folders(len(card.members)), card.members, strict=True)
    made = [(folder, one.width, one.program) for folder, one in folders if one.program]
    if not made:
        return ""
    files = "\n".join(
        f"- `{folder}/{PROGRAMS[program.kind]}`, d = {width}: within {program.difference:.2g} "
        f"{plain(card.unit)} of the model on {program.rows} validation rows"
        for folder, width, program in made
    )
    folder, _, program = made[0]
    mean = "\nThe ensemble is their mean by the weights below." if len(card.members) > 1 else ""
    return f"""\
## Use without fesearch

{files}

It takes `x`, the features of n compounds, (n, d) float32 in the order of the columns in
`fesearch.json` and NaN where one is not known; it gives (n,) float64 in {plain(card.unit)}.{mean}

{_CALLS[program.kind].format(file=f"{folder}/{PROGRAMS[program.kind]}")}

"""


def _features(card: Card) -> str:
    return ", ".join(f"{code(one.name)}: {len(one.columns)} columns" for one in card.features)


def _rows(card: Card) -> str:
    split = card.split
    parts = f"{split.train} to train, {split.val} to validate, {split.test} to test"
    return parts if card.refit is None else f"all {card.refit} ({parts} in the search)"


def _blind(card: Card) -> str:
    if card.reads_structures:
        return ""
    return (
        "It has seen no structures: compounds of one composition and different structures get one\n"
        "prediction. "
    )


def _scores(card: Card) -> str:
    chosen, test = card.validation, card.test
    held, where = "validation ", f"{card.split.val} rows"
    if card.split.folds is not None:
        held = ""
        where = (
            f"{card.split.train} training rows, each by a model that has not seen its inner fold "
            f"of {card.split.folds}"
        )
    found = {chosen.metric: chosen.value} | chosen.scores
    lines = _lines(card, held, where, found, chosen.intervals)
    if test is None and len(card.members) > 1:
        lines.append(
            "- test: nobody has looked at it with this ensemble; `fesearch holdout --ensemble` "
            "does, before an export."
        )
    elif test is None:
        lines.append("- test: nobody has looked; `fesearch holdout` does, before an export.")
    else:
        lines += _lines(card, "test ", f"{card.split.test} rows", test.scores, test.intervals)
    if card.joined is not None:
        lines.append(
            f"- what is in this folder was trained on the {card.joined} rows of training and "
            "validation part: the test scores are its own, the validation score is that of the "
            f"same {'configs' if len(card.members) > 1 else 'config'} before"
        )
    elif card.scored_another:
        lines.append(
            "- these test scores are of the same config trained on training and validation part "
            "together, not of the model in this folder"
        )
    for level, (share, width) in test.coverage.items() if test else ():
        lines.append(
            f"- prediction intervals of {float(level):.0%} cover {share:.1%} of the test rows, "
            f"±{width / 2:.3g} {plain(card.unit)} on average"
        )
    if test:
        lines.append(f"- looks at this test part when it was scored: {test.looks}")
    return "\n".join(lines)


def _drawn(card: Card) -> str:
    if not card.validation.intervals:
        return ""
    return "\nIntervals of scores are by bootstrap, the rows of a formula drawn together.\n"


def _lines(
    card: Card,
    part: str,
    where: str,
    scores: Mapping[str, float | None],
    intervals: Mapping[str, tuple[float, float]],
) -> list[str]:
    """A line for each score of a part, with how sure it is."""
    lines = []
    for name, score in scores.items():
        metric = metric_named(name)
        low, high = intervals.get(name, (None, None))
        sure = "" if low is None else f" (95 % interval {low:.4g} to {high:.4g})"
        number = _number(score, metric.in_unit(card.unit))
        lines.append(f"- {part}{metric.title}, {where}: {number}{sure}")
    return lines


def _refitted(card: Card) -> str:
    if card.refit is None:
        return ""
    return f"""
These are the scores of the model before it was trained once more, with the same config and for as
long, on all {card.refit} rows, validation and test rows among them. What is in this folder is the
model after that. It has no rows left to be scored on; more rows seldom make a model worse.
"""


def _intervals(card: Card) -> str:
    if card.intervals is None or not card.intervals.half_widths:
        return ""
    each = "on average ±" if card.intervals.floor is not None else "±"
    widths = ", ".join(
        f"{float(level):.0%} {each}{half:.3g}" for level, half in card.intervals.half_widths.items()
    )
    whose = "its errors"
    if card.refit is not None or card.joined is not None:
        whose = "the errors of the same config, before it was trained on them too,"
    if card.split.folds is None:
        trust = (
            "These rows also chose the model, so that intervals cover a little less than they say; "
            "of compounds\nunlike the training rows they cover less still."
        )
    else:
        trust = (
            "These rows chose nothing, since configs were scored on inner folds of the training "
            "part. Of compounds\nunlike the training rows intervals cover less than they say."
        )
    return f"""
`--interval 0.9` adds a lower and an upper end that 90 % of compounds like those it was trained on
lie between: {widths} {plain(card.unit)}.
They are split conformal intervals from {whose} on the {card.intervals.rows} validation rows.
{trust}
"""


def _folds(card: Card) -> str:
    """What inner folds make of a model."""
    if card.split.folds is None or card.refit is not None:
        return ""
    return (
        f"Each model here is the mean of {card.split.folds}, of which each has not seen one inner "
        "fold of the\ntraining part.\n\n"
    )


def _models(card: Card) -> str:
    """Configs and training of each member."""
    if len(card.members) == 1:
        return f"## The model\n\n{_model(card.members[0])}"
    parts = [
        f"## Model {place}: trial {one.trained.trial} of {code(one.trained.study)}, "
        f"{plain(one.trained.family)}\n\n- weight: {one.picks} of {card.picks}\n"
        f"- validation score: {one.validation:.4g}\n{_model(one)}"
        for place, one in enumerate(card.members, 1)
    ]
    return "\n\n".join(parts)


def _model(one: Member) -> str:
    trained = one.trained
    return (
        f"- training: {amount(trained.resource, trained.unit)}, best after "
        f"{trained.best_resource}; {trained.seconds:.3g} s\n"
        f"- parameters: {trained.parameters}\n{_pairs(trained.config)}"
    )


def _number(value: float | None, unit: str) -> str:
    return "not finite" if value is None else f"{value:.4g} {plain(unit)}".rstrip()


def _counts(elements: Mapping[str, int]) -> str:
    return ", ".join(f"{symbol} {count}" for symbol, count in elements.items())


def _pairs(values: Mapping[str, object]) -> str:
    return "\n".join(
        f"- {plain(name)}: {'none' if value is None else plain(value)}"
        for name, value in values.items()
    )
