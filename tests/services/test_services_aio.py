"""The async twins of the services."""

from __future__ import annotations

from uuid import UUID

import pytest

from notifications import services
from tests.helpers.factories import make_user, order_event

pytestmark = pytest.mark.django_db(transaction=True)


async def test_async_twins__do_what_the_services_do() -> None:
    from asgiref.sync import sync_to_async

    ada = await sync_to_async(make_user)("ada-async")
    public_id: UUID = await services.anotify(ada, order_event(), title="t")
    assert (await services.amark_read(ada, [public_id])).changed == 1
    assert (await services.amark_unread(ada, [public_id])).changed == 1
    assert (await services.amark_all_read(ada)).changed == 1
    assert (await services.adelete(ada, [public_id])).inbox.head == 5
