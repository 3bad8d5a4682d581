"""The numbers that came with the data set: the columns named at import by ``--numbers``.

All of them, by name in alphabetical order, as they are; an empty cell is NaN. What they mean is the
user's affair, and a model that reads them needs them again wherever it predicts.
"""

from fesearch.featureset import ColumnFeatureSet

FEATURE_SET = ColumnFeatureSet(
    name="columns",
    title="The data set's own numeric columns",
    source="the data set",
    version="1",
)
