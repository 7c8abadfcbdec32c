"""BEGIN, COMMIT and ROLLBACK, which are refused, or ignored for programs that cannot leave them out.

There are no transactions: each statement takes effect at once, whole or not at all, for everybody. Where they are
ignored, BEGIN and COMMIT do nothing, and so does ROLLBACK where there is nothing to take back. It never claims to have
taken something back: where statements have changed something since BEGIN it fails, and says that this stays.
"""

from __future__ import annotations

from engine.errors import UnsupportedError
from engine.statements.descriptions import Transaction
from engine.statements.session import Session

__all__ = ["Transactions"]


class Transactions:
    """Runs the statements of transactions; they are `ignored` in sessions that have not chosen."""

    def __init__(self, ignored: bool = False) -> None:
        self._ignored = ignored

    def run(self, session: Session, statement: Transaction) -> int:
        """Do nothing; 0. Raises UnsupportedError where they are not ignored, and for changes that would be undone."""
        ignored = self._ignored if session.ignores_transactions is None else session.ignores_transactions
        if not ignored:
            raise UnsupportedError(
                "There are no transactions here: each statement takes effect by itself, whole or not at all. "
                "Connect with autocommit; SET transactions = 'ignore' lets BEGIN and COMMIT pass."
            )
        if statement.kind == "BEGIN":
            session.keep()
            session.changes = 0
            return 0
        changes, session.changes = session.changes, None
        if statement.kind == "ROLLBACK" and changes:
            raise UnsupportedError(
                f"ROLLBACK cannot take back what was changed since BEGIN, by {changes} "
                f"statement{'s' if changes > 1 else ''}: there are no transactions here, and it stays."
            )
        return 0
