"""The hub's REST interface, for any project that mounts it (protocol, sections 3 to 5)."""
