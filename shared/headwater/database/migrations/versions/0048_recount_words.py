"""Count the words of texts again in languages that are stemmed otherwise, or whose texts were not detected.

Revision ID: 0048
"""

from alembic import op

revision = "0048"
down_revision = "0047"

# `migrate` counts the words of chunks without, a document at a time, and detects the document's language again. Until
# then, indexed documents are found by their postings.
_FORGET = """
update chunks c set words = null from documents d
where d.id = c.document_id
  and (d.inherits_language or d.language in
    ('az', 'be', 'bg', 'bs', 'cs', 'fa', 'hr', 'lv', 'mk', 'pl', 'sh', 'sk', 'sl', 'tr', 'uk'))
"""


def upgrade() -> None:
    """Forget the words. The previous revision doesn't find the new stems of these languages."""
    op.execute(_FORGET)


def downgrade() -> None:
    """Forget them, too: the previous revision counts them again when it migrates."""
    op.execute(_FORGET)
