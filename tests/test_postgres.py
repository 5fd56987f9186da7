"""The database that tests run against is a real one, and empty for each test."""

from __future__ import annotations

import psycopg2
import pytest


@pytest.mark.parametrize("again", [1, 2])
def test_each_test_has_an_empty_database_of_a_real_server(postgres: str, again: int) -> None:
    connection = psycopg2.connect(postgres)
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE once (n int)")  # fails where the first test's is still there
        cursor.execute("SELECT version()")
        assert cursor.fetchone()[0].startswith("PostgreSQL")
    connection.close()
