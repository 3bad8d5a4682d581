"""What a search over many families has had of its time, that between two turns included."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column(
        "fesearch_searches",
        sa.Column("seconds", sa.Double(), nullable=False, server_default="0"),
    )
