"""The hub's tests, in the rooms of `notifications/`: what `streaming/door/guard.py` does, the tests of
`tests/streaming/door/test_door_guard.py` claim.

Beside them: `hub/` has the claims about the hub as a whole and about the project that mounts it, `project/`
those about what stands around the code (documentation, scripts, deployment) and about the tests' own helpers.
"""
