"""The hub's tests: unit (pure), integration (with a database), contract (the wire), system (real processes
and browsers).
"""
