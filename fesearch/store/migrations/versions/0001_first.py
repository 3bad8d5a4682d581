"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "fesearch_divisions",
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("n_train", sa.Integer(), nullable=False),
        sa.Column("n_val", sa.Integer(), nullable=False),
        sa.Column("n_test", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "n_train >= 0 AND n_val >= 0 AND n_test >= 0", name="ck_fesearch_divisions_rows"
        ),
        sa.PrimaryKeyConstraint("data", "fingerprint", name="pk_fesearch_divisions"),
    )
    op.create_table(
        "fesearch_looks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("split", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("study", sa.Text(), nullable=False),
        sa.Column("trial", sa.Integer(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("scores", sa.Text(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "value BETWEEN -1.7976931348623157e+308 AND 1.7976931348623157e+308",
            name="ck_fesearch_looks_value",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_fesearch_looks"),
        sa.UniqueConstraint(
            "data",
            "target",
            "split",
            "sequence",
            name="uq_fesearch_looks_data_target_split_sequence",
        ),
    )
    op.create_table(
        "fesearch_keys",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("split", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "direction IN ('minimize', 'maximize')", name="ck_fesearch_keys_direction"
        ),
        sa.ForeignKeyConstraint(
            ["data", "split"],
            ["fesearch_divisions.data", "fesearch_divisions.fingerprint"],
            name="fk_fesearch_keys_data_split",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_fesearch_keys"),
        sa.UniqueConstraint(
            "data", "target", "metric", "split", name="uq_fesearch_keys_data_target_metric_split"
        ),
    )
    op.create_table(
        "fesearch_members",
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("parent", sa.Text(), nullable=False),
        sa.Column("member", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["data", "fingerprint"],
            ["fesearch_divisions.data", "fesearch_divisions.fingerprint"],
            name="fk_fesearch_members_data_fingerprint",
        ),
        sa.ForeignKeyConstraint(
            ["data", "parent"],
            ["fesearch_divisions.data", "fesearch_divisions.fingerprint"],
            name="fk_fesearch_members_data_parent",
        ),
        sa.PrimaryKeyConstraint("data", "parent", "member", name="pk_fesearch_members"),
        sa.UniqueConstraint(
            "data", "parent", "fingerprint", name="uq_fesearch_members_data_parent_fingerprint"
        ),
    )
    op.create_table(
        "fesearch_studies",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("key_id", sa.Integer(), nullable=False),
        sa.Column("features", sa.Text(), nullable=False),
        sa.Column("versions", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state IN ('RUNNING', 'STOPPED', 'COMPLETE', 'FAILED')",
            name="ck_fesearch_studies_state",
        ),
        sa.ForeignKeyConstraint(
            ["key_id"], ["fesearch_keys.id"], name="fk_fesearch_studies_key_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_fesearch_studies"),
        sa.UniqueConstraint("name", name="uq_fesearch_studies_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "fesearch_controls",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('stop')", name="ck_fesearch_controls_kind"),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["fesearch_studies.id"],
            name="fk_fesearch_controls_study_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_fesearch_controls"),
    )
    op.create_index("ix_fesearch_controls_study_id", "fesearch_controls", ["study_id"])
    op.create_table(
        "fesearch_leases",
        sa.Column("study_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("born", sa.Text(), nullable=True),
        sa.Column("acquired_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("heartbeat_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["fesearch_studies.id"],
            name="fk_fesearch_leases_study_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("study_id", name="pk_fesearch_leases"),
    )
    op.create_table(
        "fesearch_study_keys",
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["key_id"], ["fesearch_keys.id"], name="fk_fesearch_study_keys_key_id"
        ),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["fesearch_studies.id"],
            name="fk_fesearch_study_keys_study_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("study_id", "key_id", name="pk_fesearch_study_keys"),
    )
    op.create_table(
        "fesearch_trials",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.Integer(), nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("threads", sa.Integer(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("resource", sa.BigInteger(), nullable=False),
        sa.Column("best_resource", sa.BigInteger(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("parameters", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("fault", sa.String(16), nullable=True),
        sa.Column("after_look", sa.Boolean(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'FAIL') = (fault IS NOT NULL)", name="ck_fesearch_trials_failed"
        ),
        sa.CheckConstraint(
            "(state = 'RUNNING') = (finished_at IS NULL)", name="ck_fesearch_trials_finished"
        ),
        sa.CheckConstraint("fault IN ('diverged', 'machine')", name="ck_fesearch_trials_fault"),
        sa.CheckConstraint(
            "state <> 'COMPLETE' OR value IS NOT NULL", name="ck_fesearch_trials_complete"
        ),
        sa.CheckConstraint(
            "state IN ('RUNNING', 'COMPLETE', 'PRUNED', 'FAIL')", name="ck_fesearch_trials_state"
        ),
        sa.CheckConstraint("resource >= 0", name="ck_fesearch_trials_resource"),
        sa.CheckConstraint(
            "value BETWEEN -1.7976931348623157e+308 AND 1.7976931348623157e+308",
            name="ck_fesearch_trials_value",
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "key_id"],
            ["fesearch_study_keys.study_id", "fesearch_study_keys.key_id"],
            name="fk_fesearch_trials_study_id_key_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_fesearch_trials"),
        sa.UniqueConstraint("id", "study_id", name="uq_fesearch_trials_id_study_id"),
        sa.UniqueConstraint("study_id", "number", name="uq_fesearch_trials_study_id_number"),
    )
    op.create_index(
        "ix_fesearch_trials_key_id_state_value", "fesearch_trials", ["key_id", "state", "value"]
    )
    op.create_table(
        "fesearch_reports",
        sa.Column("trial_id", sa.Integer(), nullable=False),
        sa.Column("resource", sa.BigInteger(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("raw", sa.Double(), nullable=True),
        sa.Column("raw_kind", sa.Text(), nullable=False),
        sa.Column("best", sa.Double(), nullable=True),
        sa.Column("decision", sa.String(16), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(raw_kind = 'finite') = (raw IS NOT NULL)", name="ck_fesearch_reports_raw_given"
        ),
        sa.CheckConstraint("decision IN ('CONTINUE', 'STOP')", name="ck_fesearch_reports_decision"),
        sa.CheckConstraint(
            "raw_kind IN ('finite', 'nan', 'inf', '-inf')", name="ck_fesearch_reports_raw_kind"
        ),
        sa.CheckConstraint(
            "best BETWEEN -1.7976931348623157e+308 AND 1.7976931348623157e+308",
            name="ck_fesearch_reports_best",
        ),
        sa.CheckConstraint(
            "raw BETWEEN -1.7976931348623157e+308 AND 1.7976931348623157e+308",
            name="ck_fesearch_reports_raw",
        ),
        sa.ForeignKeyConstraint(
            ["trial_id", "study_id"],
            ["fesearch_trials.id", "fesearch_trials.study_id"],
            name="fk_fesearch_reports_trial_id_study_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("trial_id", "resource", name="pk_fesearch_reports"),
        sa.UniqueConstraint("study_id", "sequence", name="uq_fesearch_reports_study_id_sequence"),
    )
