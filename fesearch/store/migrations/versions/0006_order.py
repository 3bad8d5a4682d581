"""Where in the order of its study's events a trial began and ended.

That of earlier trials is taken from the clocks, as far as their own reports agree with them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_BEGAN = """
UPDATE fesearch_trials SET began = COALESCE((
    SELECT MAX(r.sequence) FROM fesearch_reports r
    WHERE r.study_id = fesearch_trials.study_id AND r.recorded_at <= fesearch_trials.started_at
    AND NOT EXISTS (
        SELECT 1 FROM fesearch_reports own
        WHERE own.trial_id = fesearch_trials.id AND own.sequence <= r.sequence
    )
), 0)
"""
_ENDED = """
UPDATE fesearch_trials SET ended = COALESCE((
    SELECT MAX(r.sequence) FROM fesearch_reports r
    WHERE r.study_id = fesearch_trials.study_id AND r.recorded_at <= fesearch_trials.finished_at
), 0)
WHERE finished_at IS NOT NULL
"""


def upgrade() -> None:
    op.add_column(
        "fesearch_trials", sa.Column("began", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.add_column("fesearch_trials", sa.Column("ended", sa.BigInteger()))
    op.execute(_BEGAN)
    op.execute(_ENDED)
