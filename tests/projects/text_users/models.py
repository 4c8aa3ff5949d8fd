"""Users whose primary key is their name."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """Django's own user with another key."""

    username = models.CharField(primary_key=True, max_length=40)
