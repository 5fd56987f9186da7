"""Shapes of questions and problems, for validation and for the OpenAPI page."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]


class Problem(BaseModel):
    """RFC 9457 problem; ``state`` is the last part of ``type``."""

    type: str = Field(examples=["urn:urbancast:problem:beyond-horizon"])
    title: str
    status: int
    detail: str
    state: str
    expected: str | None = None
    found: str | None = None
    action: str | None = None


class AnswerQuery(BaseModel):
    """One place (its id, an address, or a point), a time, a measure. Sent in the body: locations stay out of URLs."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"address": "Central Park", "at": "2026-11-21T18:00Z"}]},
    )

    place: Name | None = None
    address: Name | None = None
    lat: Latitude | None = None
    lon: Longitude | None = None
    at: str | None = Field(default=None, max_length=64, description="ISO 8601 with an offset; default: now")
    measure: Name | None = None

    @model_validator(mode="after")
    def _names_one_place(self) -> Self:
        ways = [self.place is not None, self.address is not None, self.lat is not None or self.lon is not None]
        if sum(ways) != 1 or (self.lat is None) != (self.lon is None):
            raise ValueError("name exactly one of `place`, `address`, or `lat` with `lon`")
        return self


class SearchQuery(BaseModel):
    """Beginning of a name."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"text": "cent"}]})

    text: Annotated[str, StringConstraints(max_length=200)]
    limit: Annotated[int, Field(ge=1, le=50)] = 8


Example = dict[str, Any]


def responses(example: Any, *errors: int, media: str = "application/json") -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses of a route: an example of success, problem+json for each status of ``errors``."""
    kind = "object" if isinstance(example, dict) else "array" if isinstance(example, list) else "string"
    good: dict[str, Any] = {
        "description": "The answer",
        "content": {media: {"schema": {"type": kind}, "example": example}},
    }
    content = {"application/problem+json": {"schema": Problem.model_json_schema()}}
    bad: dict[int | str, dict[str, Any]] = {
        status: {"description": "A named problem", "content": content} for status in errors
    }
    return {200: good, 304: {"description": "Not changed since the tag you sent"}, **bad}
