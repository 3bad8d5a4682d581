"""How long the model of a trial takes to predict a row, where a study asks for it."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("fesearch_trials", sa.Column("latency", sa.Double()))
