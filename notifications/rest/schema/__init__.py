"""The OpenAPI description of the wire: every path, what it takes, and every answer that it can give.

The views know nothing of it. ``operations`` has one entry for each view and method, ``components`` what they
share, ``document`` puts them together, and ``test_schema_document.py`` holds all of it to what the hub
really answers.
"""
