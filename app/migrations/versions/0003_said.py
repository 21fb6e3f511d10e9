"""What was said of an exam, to be told in other languages."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column; exams kept before it are told in English."""
    op.add_column("exams", sa.Column("said", sa.Text))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("exams", "said")
