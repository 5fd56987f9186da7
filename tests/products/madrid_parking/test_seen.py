from __future__ import annotations

import numpy as np
from hypothesis import given, strategies as st

from urbancast.products.madrid_parking.seen import Seen

ROW = st.tuples(st.integers(0, 3), st.integers(0, 6))  # a day, and what is said on it
FETCHES = st.lists(st.lists(st.lists(ROW, max_size=8), max_size=4), max_size=3)


@given(FETCHES)
def test_the_first_of_its_kind_is_found_in_its_fetch_and_in_all(fetches: list[list[list[tuple[int, int]]]]) -> None:
    seen, before = Seen(), set[tuple[int, int]]()
    for pages in fetches:
        seen.next_fetch()
        now = set[tuple[int, int]]()
        for page in pages:
            days = np.array([day for day, _ in page], dtype=np.int64)
            hashes = np.array([2**63 + 10 * day + said for day, said in page], dtype=np.uint64)
            is_distinct, is_new = seen.sort(hashes, days)
            for row, distinct, new in zip(page, is_distinct.tolist(), is_new.tolist(), strict=True):
                assert distinct == (row not in now)
                assert new == (row not in now and row not in before)
                now.add(row)
        before |= now
