"""Runs: work in progress that is watched live (RUNS.md of the contract), the pure part.

Nothing serves runs yet. What stands here needs no Django, no database, no Redis and no event loop: which
events there are, how they are checked, redacted and cut, how they fold into what a watcher sees, and how the
profiles tell them. The log, the leases and the endpoints are built on it.
"""
