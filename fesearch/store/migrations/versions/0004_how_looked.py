"""A look says how its model was trained, what its interval is and where its predictions are."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column(
        "fesearch_looks", sa.Column("how", sa.Text(), nullable=False, server_default="{}")
    )
