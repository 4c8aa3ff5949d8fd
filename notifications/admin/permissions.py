"""What a member of staff may do in the hub's admin.

Each page checks by itself: hiding a button protects nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final, Literal

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext_lazy

from notifications import permissions

Right = Literal["view", "view_content", "replay", "compose", "erase", "disconnect"]
View = Callable[..., HttpResponseBase]

_PERMISSIONS: Final[dict[Right, str]] = {
    "replay": permissions.REPLAY,
    "compose": permissions.COMPOSE,
    "erase": permissions.ERASE,
    "disconnect": permissions.END_STREAMS,
}
# What stands where the title, body, link, data or actor would.
CONTENT_HIDDEN: Final = gettext_lazy("content hidden")
CONTENT_HIDDEN_WHY: Final = gettext_lazy(
    "The content is hidden from you: it needs the permission “Can view the content of notifications”."
)


def can(request: HttpRequest, right: Right) -> bool:
    """Check whether the member of staff has a right.

    To see content one must also see the notification that has it.
    """
    match right:
        case "view":
            return permissions.may_view(request.user)
        case "view_content":
            return permissions.may_view_content(request.user)
        case _:
            return request.user.has_perm(_PERMISSIONS[right])


def require(request: HttpRequest, *rights: Right) -> None:
    """Raises PermissionDenied, which is answered with 403, unless the member of staff has all the rights."""
    if not all(can(request, right) for right in rights):
        raise PermissionDenied


def needs(*rights: Right) -> Callable[[View], View]:
    """Guard a view: 403 for whoever lacks one of the rights, whatever the HTTP method.

    The view is a function or a method of an admin class.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> HttpResponseBase:
            require(next(arg for arg in args if isinstance(arg, HttpRequest)), *rights)
            return view(*args, **kwargs)

        return guarded

    return decorate
