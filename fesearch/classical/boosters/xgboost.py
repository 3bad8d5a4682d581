"""XGBoost's UBJSON: parameters as text, and trees with an array for each property of their nodes.

XGBoost compares the lengths of these arrays, and follows the numbers in them.
"""

import re
from typing import Any

import numpy as np

from fesearch.arrays import broken
from fesearch.classical.boosters.nodes import check_children, check_features, whole_numbers
from fesearch.classical.boosters.ubjson import read

OBJECTIVES = ("reg:squarederror", "reg:absoluteerror")
KEYS = {
    "": {"learner", "version"},
    "learner": {
        *("attributes", "feature_names", "feature_types", "gradient_booster"),
        *("learner_model_param", "objective"),
    },
    "gradient_booster": {"model", "name"},
    "model": {"cats", "gbtree_model_param", "iteration_indptr", "tree_info", "trees"},
}
"""What may stand in the objects around the trees."""

NODES = {
    **dict.fromkeys(("left_children", "right_children", "parents"), ">i4"),
    **dict.fromkeys(("split_type", "default_left"), ">u1"),
    **dict.fromkeys(("base_weights", "loss_changes", "split_conditions", "sum_hessian"), ">f4"),
    "split_indices": ">i4",
}
CATEGORIES = ("categories", "categories_nodes", "categories_segments", "categories_sizes")
SCORE = re.compile(r"\[?[-+.0-9E]{1,30}\]?")


def check(content: bytes) -> None:
    """Refuse a booster that XGBoost should not read.

    Raises:
        InputError: it is none, of another kind than ``families/xgboost.py`` grows, or a walk down
            its trees could leave them, go round, or read no feature.
    """
    try:
        _check(read(content))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise broken("XGBoost cannot read a booster.") from error


def _check(booster: dict[str, Any]) -> None:
    _known("", booster)
    learner = _known("learner", booster["learner"])
    gradient = _known("gradient_booster", learner["gradient_booster"])
    kind, objective = gradient["name"], learner["objective"]["name"]
    if kind != "gbtree" or objective not in OBJECTIVES:
        raise broken(f"A booster of XGBoost is {kind} for {objective}.")
    params = learner["learner_model_param"]
    if not SCORE.fullmatch(params["base_score"]):
        raise ValueError
    given = ("attributes", "feature_names", "feature_types")
    if any(len(learner[name]) for name in given) or params["num_target"] != "1":
        raise broken("A booster has names, categories or more than one target.")
    if params["num_class"] != "0":
        raise broken("A booster of XGBoost tells classes apart.")
    _check_trees(_known("model", gradient["model"]), _number(params, "num_feature"))


def _check_trees(model: dict[str, Any], width: int) -> None:
    trees, params = model["trees"], model["gbtree_model_param"]
    count = np.arange(len(trees))
    agree = (
        _number(params, "num_trees") == len(trees)
        and _number(params, "num_parallel_tree") == 1
        and np.array_equal([tree["id"] for tree in trees], count)
        and np.array_equal(model["tree_info"], 0 * count)
        and np.array_equal(
            model.get("iteration_indptr", [*count, len(trees)]), [*count, len(trees)]
        )
    )
    if not agree:
        raise broken("The trees of a booster are not one a round.")
    if any(len(found) for found in model.get("cats", {}).values()):
        raise broken("A booster has names, categories or more than one target.")
    for tree in trees:
        _check_tree(tree, width)


def _check_tree(tree: dict[str, Any], width: int) -> None:
    params = tree["tree_param"]
    nodes = _number(params, "num_nodes")
    for name, kind in NODES.items():
        if tree[name].dtype != kind or tree[name].shape != (nodes,):
            raise broken(f"The list '{name}' of a booster is not {nodes} numbers.")
    if _number(params, "size_leaf_vector") > 1 or _number(params, "num_feature") != width:
        raise broken("A tree of a booster has other features or more than one target.")
    if tree["split_type"].any() or any(len(tree[name]) for name in CATEGORIES):
        raise broken("A split of a booster is not by a threshold.")
    left, right = tree["left_children"], tree["right_children"]
    check_features(tree["split_indices"], width)
    splits = np.flatnonzero((left != -1) | (right != -1))
    parent, child = np.tile(splits, 2), np.concatenate([left[splits], right[splits]])
    check_children(parent, child, nodes)
    if not nodes or not np.array_equal(tree["parents"][child], parent):
        raise broken("A node of a booster names another parent.")


def _known(name: str, found: dict[str, Any]) -> dict[str, Any]:
    if not found.keys() <= KEYS[name]:
        raise ValueError
    return found


def _number(params: dict[str, Any], name: str) -> int:
    return int(whole_numbers(params[name], 1, name)[0])
