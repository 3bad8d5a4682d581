"""Where in the order of its study's events a trial began and ended.

What came before the last beginning is all that is asked for. Of earlier trials it is taken from the
clocks, as far as the last trial's own reports agree with them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_BEGAN = """
UPDATE fesearch_trials SET began = COALESCE((
    SELECT MAX(r.sequence) FROM fesearch_reports r
    WHERE r.study_id = fesearch_trials.study_id AND r.recorded_at <= fesearch_trials.started_at
    AND r.sequence < COALESCE((
        SELECT MIN(own.sequence) FROM fesearch_reports own WHERE own.trial_id = fesearch_trials.id
    ), r.sequence + 1)
), 0)
WHERE number = (
    SELECT MAX(other.number) FROM fesearch_trials other
    WHERE other.study_id = fesearch_trials.study_id
)
"""
_ENDED = """
UPDATE fesearch_trials SET ended = CASE WHEN finished_at <= (
    SELECT MAX(last.started_at) FROM fesearch_trials last
    WHERE last.study_id = fesearch_trials.study_id
) THEN 0 ELSE (
    SELECT studies.last_sequence + 1 FROM fesearch_studies studies
    WHERE studies.id = fesearch_trials.study_id
) END
WHERE finished_at IS NOT NULL
"""


def upgrade() -> None:
    op.add_column(
        "fesearch_trials", sa.Column("began", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.add_column("fesearch_trials", sa.Column("ended", sa.BigInteger()))
    op.execute(_BEGAN)
    op.execute(_ENDED)
