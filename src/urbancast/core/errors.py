"""Errors, sorted by whose fault they are; each says what was expected, what was found and what to do."""

from __future__ import annotations


class UrbancastError(Exception):
    """Anything this package raises on purpose."""


class PortalError(UrbancastError):
    """The portal's fault: retry, then degrade; the old forecasts stay served."""


class ContractError(UrbancastError):
    """Our fault, or a source that changed shape: stop, write nothing."""


class NotReadyError(UrbancastError):
    """Nothing to answer with yet; a later try may succeed."""


class BusyError(NotReadyError):
    """Another run holds the product; a later try will find it free."""


class FencedError(NotReadyError):
    """This run lost its lease to another while it stood still; nothing more of it is written."""


class QueryError(UrbancastError):
    """The asker's fault; becomes a problem+json with a 4xx status."""

    def __init__(
        self,
        state: str,
        *,
        expected: str,
        found: str,
        action: str,
        status: int = 422,
    ) -> None:
        """Name the no-answer ``state`` (kebab-case) and say what to do about it."""
        super().__init__(f"{state}: expected {expected}, found {found}; {action}")
        self.state, self.expected, self.found, self.action, self.status = state, expected, found, action, status
