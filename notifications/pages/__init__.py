"""The user's own pages: the inbox, logging in and out, and the password. Without a script they work as
well.
"""
