"""Other people's projects that mount the hub: each a settings module for `pytest --ds=…`."""
