"""Configs wait to be tried; a trial says which one it continues, and how often it began anew."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("fesearch_trials", sa.Column("parent", sa.Integer(), nullable=True))
    op.add_column(
        "fesearch_trials",
        sa.Column("retries", sa.Integer(), nullable=False, server_default="0"),
    )
    op.create_table(
        "fesearch_queue",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("parent", sa.Integer(), nullable=True),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("enqueued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_fesearch_queue"),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["fesearch_studies.id"],
            name="fk_fesearch_queue_study_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_fesearch_queue_study_id", "fesearch_queue", ["study_id"])
