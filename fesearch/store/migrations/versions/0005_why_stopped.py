"""A study says why it stopped."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column(
        "fesearch_studies", sa.Column("reason", sa.Text(), nullable=False, server_default="")
    )
