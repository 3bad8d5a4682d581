"""What the model of a trial has in every metric on the validation rows."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    scores = sa.Column("scores", sa.Text(), nullable=False, server_default="{}")
    op.add_column("fesearch_trials", scores)
