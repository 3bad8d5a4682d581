"""An index of what rankings ask of a million trials: a second, which was a quarter of a minute."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.drop_index("ix_fesearch_trials_key_id_state_value", "fesearch_trials")
    op.create_index(
        "ix_fesearch_trials_ranking",
        "fesearch_trials",
        ["key_id", "study_id", "family", "value", "state", "seconds", "device"],
    )
    op.create_index(
        "ix_fesearch_trials_parent",
        "fesearch_trials",
        ["study_id", "parent", "seconds"],
        sqlite_where=sa.text("parent IS NOT NULL"),
    )
