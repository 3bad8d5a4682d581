"""Divisions say which rows are their test part: others may have the same."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("fesearch_divisions", sa.Column("test", sa.Text(), nullable=True))
