"""The queue: ledger, worker, tickets."""
