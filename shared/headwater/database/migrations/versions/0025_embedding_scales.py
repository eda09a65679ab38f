"""Scales of similarity: how to read a model's similarities in a language.

Revision ID: 0025
"""

from alembic import op

revision = "0025"
down_revision = "0024"

# `mean` is the mean vector of neutral passages: float32, little-endian. All three are null for a language that the
# model doesn't know. The rows are the installation's, as models are.
_TABLE = """
create table embedding_scales (
  model_id integer not null constraint fk_embedding_scales_model references embedding_models on delete cascade,
  language text not null,
  mean bytea,
  unit double precision,
  deviation double precision,
  constraint pk_embedding_scales primary key (model_id, language),
  constraint ck_embedding_scales_known check (num_nulls(mean, unit, deviation) in (0, 3))
)
"""


def upgrade() -> None:
    """Add the table. The previous revision measures in each process."""
    op.execute(_TABLE)
    op.execute("grant select, insert on embedding_scales to app")


def downgrade() -> None:
    """Drop it."""
    op.execute("drop table embedding_scales")
