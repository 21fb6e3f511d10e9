"""Keys, the browsers signed in by them, and whose an exam is."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create both tables; exams and reviews kept before them are no key's."""
    op.create_table(
        "keys",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("revoked_at", sa.Float),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "sessions",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("key", sa.Integer, sa.ForeignKey("keys.number"), nullable=False, index=True),
        sa.Column("ends_at", sa.Float, nullable=False, index=True),
    )
    op.add_column("exams", sa.Column("owner", sa.Integer))
    op.create_index("ix_exams_owner", "exams", ["owner"])
    op.add_column("reviews", sa.Column("owner", sa.Integer))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("reviews", "owner")
    op.drop_index("ix_exams_owner", "exams")
    op.drop_column("exams", "owner")
    op.drop_table("sessions")
    op.drop_table("keys")
