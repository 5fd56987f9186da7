"""Faults of a portal that are worth asking again for."""

from __future__ import annotations

from urbancast.core.errors import PortalError


class PassingError(PortalError):
    """A fault that may pass; ``retry_after_s`` is how long the portal asked us to wait."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        """Keep how long the portal asked us to wait."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class LyingError(PortalError):
    """An answer that contradicts itself or cannot be read; it is asked once more, then the pull stops."""


class AbsentError(PortalError):
    """What was asked for is not there (404, 410): not published yet, moved or gone."""
