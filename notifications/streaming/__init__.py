"""The stream: server-sent events from the log of changes, with hints to make them prompt
(docs/architecture.md).
"""
