"""The log of a run (RUNS.md of the contract, sections 1 and 4). Nothing serves runs yet.

Events get their numbers here, without gaps, and are kept until some time after the end of their run. Where
the channel layer is Redis they lie there; in the embedded shape in a SQLite file beside the project's
database; on PostgreSQL without Redis in tables of their own. All three behave alike, and one set of tests
says so. Why it is as it is: ADR 25.

- ``log.RunLog`` is what others use, and ``opening.run_log()`` gives it.
- ``store.Store`` is what each place can do; ``redis_store`` and ``sql_store`` do it.
- ``answers`` has what is answered and refused.

Invariants, for each run:

- The numbers of an epoch are contiguous, and an event that has its number never changes.
- A request that is sent again is answered as the first time, and appends nothing.
- There is at most one end event, and nothing after it.
- What a reader folds, from the snapshot or from the beginning on, is the same.

Who may start, watch or end a run, and the row of it, are for the rooms above.
"""
