"""The environment, read once; every field works offline on a laptop."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from urbancast.core.errors import ContractError


class Settings(BaseSettings):
    """Deployment settings, each `URBANCAST_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="URBANCAST_", extra="ignore")

    lake: str = str(Path.home() / ".urbancast" / "lake")
    products: str = ""  # folders of further products, separated by os.pathsep
    engine: str = "local"  # local | pool | tcp://scheduler:8786
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    basemap: str = ""  # URL of a PMTiles file; none by default
    portal_hosts: str = ""  # further hosts the portals may ask, separated by commas
    socrata_token: str = ""  # app token of Socrata portals; none by default
    router: str = ""  # URL of a Valhalla that finds routes; none: the built-in one
    geocoder: str = ""  # URL of a Photon that finds addresses, which it is then told; none: the gazetteer alone
    lease_seconds: float = Field(60.0, gt=0)  # how long a run that stands still keeps its product; renewed meanwhile
    poll_seconds: float = 1.0  # how often the API looks at `serving`
    log_level: str = "INFO"
    with_parent: bool = False  # the API ends when the process that started it does
    secret: SecretStr = SecretStr("")  # signs sessions; none: made once and kept in the lake
    cookie_secure: bool | None = None  # session cookies over TLS alone; by default, unless asked by a loopback name
    hosts: str = ""  # further host names answered to, separated by commas; behind a proxy, its public name
    trusted_proxies: str = ""  # addresses or networks whose X-Forwarded headers are believed, separated by commas
    lookups_per_minute: int = Field(3000, ge=0)  # of one client; 0: no limit. Loopback is not limited
    routes_per_minute: int = Field(120, ge=0)  # questions that are worked out: route, answer
    logins_per_minute: int = Field(10, ge=0)  # tries with a key that is not known yet, loopback included
    alert_webhook: str = ""  # URL that alerts are posted to as JSON; none by default
    alert_email: str = ""  # address that alerts are sent to, through `smtp`; none by default
    smtp: SecretStr = SecretStr("")  # smtp://[user:password@]host:port, ?starttls=1; smtps:// for TLS from the start
    dagster_db: SecretStr = SecretStr("")  # postgresql://… of the orchestrator's runs; none: SQLite in its home
    orchestrated: str = ""  # products that the orchestrator works, separated by commas; none: all
    behind_mlflow: str = ""  # http://127.0.0.1:PORT of MLflow's UI, shown to operators at /ops/mlflow/
    behind_dagster: str = ""  # the same of Dagster's, at /ops/dagster/


@cache
def settings() -> Settings:
    """Return the settings of this process; a variable that cannot be read is named."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = f"URBANCAST_{first['loc'][0]}".upper()
        raise ContractError(f"{name}: {first['msg']}, found {first['input']!r}; correct the environment") from error
