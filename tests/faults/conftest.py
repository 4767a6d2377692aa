"""Both stores, as the tests of the ledger have them."""

from __future__ import annotations

from tests.ledger.places import kept, place, postgres_place, postgres_server

__all__ = ["kept", "place", "postgres_place", "postgres_server"]
