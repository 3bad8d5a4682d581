"""LightGBM's text: a head, trees of a line for each list of numbers, and what no prediction needs.

LightGBM cuts the text into trees where the head says they begin, and follows the numbers in them.
"""

import re

import numpy as np

from fesearch.arrays import broken
from fesearch.classical.boosters.nodes import check_children, check_features, whole_numbers

HEAD = re.compile(
    r"tree\nversion=v[0-9]+\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\n"
    r"max_feature_idx=([0-9]{1,9})\nobjective=(?:regression|regression_l1)\n"
    r"feature_names=([ -~]*)\nfeature_infos=([ -~]*)\ntree_sizes=([0-9 ]*)\n\n"
)
OF_SPLITS = (
    *("split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child"),
    *("internal_value", "internal_weight", "internal_count"),
)
OF_LEAVES = ("leaf_value", "leaf_weight", "leaf_count")
LINES = (
    *("num_leaves", "num_cat", *OF_SPLITS[:6], *OF_LEAVES, *OF_SPLITS[6:]),
    *("is_linear", "shrinkage"),
)
"""What a tree says of itself, in order; a tree with categories or linear leaves says more."""

DECIMAL = r"(?:-?[0-9]{1,24}+(?:\.[0-9]{1,24}+)?+(?:e[-+]?[0-9]{1,3}+)?+|-?inf|-?nan)"
DECIMALS = re.compile(rf"(?:{DECIMAL}(?: {DECIMAL})*+)?")
"""LightGBM ends the process where one is something else."""

END = "end of trees\n\npandas_categorical:null\n"
PLAIN = 0b1110
"""Bits of a split's kind: where missing values go. The one left out is that of categories."""


def checked(content: bytes) -> str:
    """The head and trees of a booster, which LightGBM may read; what follows them is left out.

    Raises:
        InputError: it is no booster of numbers with one value a row, or a walk down its trees
            could leave them, go round, or read no feature.
    """
    text = content.decode("ascii") if content.isascii() else ""
    head = HEAD.match(text)
    if head is None:
        raise broken("LightGBM cannot read a booster.")
    width = int(head[1]) + 1
    if head[2] != " ".join(f"Column_{column}" for column in range(head[2].count(" ") + 1)):
        raise broken("The features of a booster have names of their own.")
    if not head[2].count(" ") == head[3].count(" ") == width - 1:
        raise broken(f"A booster does not describe each of its {width} features.")
    sizes = whole_numbers(head[4], len(head[4].split()), "tree_sizes")
    if np.any(sizes < 1) or np.any(sizes > len(text)):
        raise broken("The list 'tree_sizes' of a booster leaves it.")
    ends = head.end() + np.cumsum(sizes)
    for number, (size, end) in enumerate(zip(sizes, ends, strict=True)):
        _check_tree(text[end - size : end], number, width)
    end = ends[-1] if len(ends) else head.end()
    if not text.startswith("end of trees\n", end):
        raise broken("A booster does not end after its trees.")
    return text[:end] + END


def _check_tree(text: str, number: int, width: int) -> None:
    first, *lines = text.removesuffix("\n\n\n").split("\n")
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    if first != f"Tree={number}" or len(lines) != len(LINES) or tuple(values) != LINES:
        raise broken("A tree of a booster is not where, or what, the booster says.")
    if (values["num_cat"], values["is_linear"]) != ("0", "0"):
        raise broken("A tree of a booster splits by categories or has linear leaves.")
    splits = int(whole_numbers(values["num_leaves"], 1, "num_leaves")[0]) - 1
    feature, kind, left, right = (
        whole_numbers(values[name], splits, name)
        for name in ("split_feature", "decision_type", "left_child", "right_child")
    )
    counts = dict.fromkeys(LINES, 1)
    counts |= dict.fromkeys(OF_SPLITS, splits) | dict.fromkeys(OF_LEAVES, splits + 1)
    for name, words in values.items():
        found = words.count(" ") + 1 if words else 0
        if found != counts[name] or not DECIMALS.fullmatch(words):
            raise broken(f"The list '{name}' of a booster is not {counts[name]} numbers.")
    check_features(feature, width)
    if np.any(kind & ~PLAIN):
        raise broken("A split of a booster is not by a threshold.")
    _check_walk(np.concatenate([left, right]), splits)


def _check_walk(child: np.ndarray, splits: int) -> None:
    """``child`` (2 * splits,): an inner node, or the complement of a leaf."""
    parent, inner = np.tile(np.arange(splits), 2), child >= 0
    check_children(parent[inner], child[inner], max(splits, 1))
    if splits and not np.array_equal(np.sort(~child[~inner]), np.arange(splits + 1)):
        raise broken("A leaf of a booster is not in its tree, or in two places of it.")
