"""The stream: server-sent events from the log of changes, made prompt by hints (docs/architecture.md)."""
