"""Where work runs: in this process, in a pool of processes, or on a Dask cluster by its address."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

from urbancast.core.errors import ContractError

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(function: Callable[[Item], Result], items: Sequence[Item], *, engine: str = "local") -> list[Result]:
    """Results of ``function`` for every item, in order; ``function`` and items must be picklable but for `local`."""
    if engine == "local":
        return [function(item) for item in items]
    if engine == "pool":
        with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
            return list(pool.map(function, items))
    if engine.startswith("tcp://"):
        return _on_cluster(function, items, engine)
    raise ContractError(f"URBANCAST_ENGINE: expected local, pool or tcp://scheduler:8786, found {engine!r}; set one")


def _on_cluster(function: Callable[[Item], Result], items: Sequence[Item], address: str) -> list[Result]:
    try:
        from distributed import Client  # a cluster is asked for by address; the library is an extra
    except ImportError as error:
        raise ContractError(
            f"URBANCAST_ENGINE={address}: expected the package distributed, found none; install urbancast[dask]"
        ) from error
    with Client(address) as client:  # type: ignore[no-untyped-call]
        gathered: list[Result] = client.gather(client.map(function, list(items), pure=False))
        return gathered
