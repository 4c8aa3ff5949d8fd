"""The user's own pages: the inbox, login, logout and the password. They also work without scripts."""
