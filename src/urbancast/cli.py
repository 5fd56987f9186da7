"""The command line: one verb per flow."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import structlog
import typer
from rich.console import Console

from urbancast import keys, upkeep, watching
from urbancast.core.errors import UrbancastError

if TYPE_CHECKING:
    from urbancast import console as show
else:

    class _Show:
        """The console, loaded with all that flows need by the first verb that shows something; `serve` never does."""

        def __getattr__(self, name: str) -> Any:
            return getattr(importlib.import_module("urbancast.console"), name)

    show = _Show()

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Open forecasts of how a city moves: what was promised, how sure we were, and how we did.",
)

app.add_typer(keys.app, name="keys")
app.add_typer(watching.app)

# One reader of tables, and its memory given back at once: set before polars loads, for a process that only answers.
FRUGAL = {"POLARS_MAX_THREADS": "1", "_RJEM_MALLOC_CONF": "dirty_decay_ms:0,muzzy_decay_ms:0"}
ProductArgument = Annotated[str, typer.Argument(metavar="PRODUCT", help="A product's id; see `urbancast products`.")]
LakeOption = Annotated[str | None, typer.Option("--lake", help="Folder or URL of the lake [env URBANCAST_LAKE].")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON to standard output.")]
SampleOption = Annotated[bool, typer.Option("--sample", help="Pull from the simulated city.")]
LiveOption = Annotated[bool, typer.Option("--live", help="Pull from the real portals.")]
SourceOption = Annotated[
    list[str] | None, typer.Option("--source", metavar="NAME=PATH_OR_URL", help="Read a source from a file or URL.")
]
AsOfOption = Annotated[str | None, typer.Option("--as-of", metavar="T", help="The moment it is, ISO 8601.")]


def main() -> None:
    """Run the command line; an error of ours is one clear line and exit code 1."""
    try:
        app()
    except UrbancastError as error:
        _fail(type(error).__name__, str(error))
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] == "urbancast":
            raise
        _fail("NotReadyError", f"{error.name}: expected it installed, found none; this verb needs urbancast[forecast]")


def _fail(kind: str, message: str) -> None:
    """Print an error as one clear line on standard error, and end."""
    err = Console(stderr=True)
    err.print(f"[bold red]{kind}[/] ", end="")
    err.print(message, markup=False, highlight=False, soft_wrap=True)  # one line, however narrow
    sys.exit(1)


def _told_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        typer.echo(f"urbancast {version('urbancast')}")
        raise typer.Exit


@app.callback()
def log_to_standard_error(
    _: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_told_version, help="Print the version and end.")
    ] = False,
) -> None:
    """Open forecasts of how a city moves: what was promised, how sure we were, and how we did."""
    structlog.configure(
        processors=[_rendered],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # whatever it is by then
    )


def _rendered(logger: Any, method: str, event: Any) -> Any:
    """Text of a line, scrubbed; what scrubs is loaded with the first line."""
    from urbancast.lake import quiet

    return quiet.render(logger, method, event)


for verb in (upkeep.maintain, upkeep.backup, upkeep.restore, upkeep.logs):
    app.command()(verb)


@app.command()
def products(as_json: JsonOption = False) -> None:
    """List the products that this installation can serve."""
    show.products(as_json=as_json)


@app.command()
def up(
    lake: LakeOption = None,
    host: Annotated[str | None, typer.Option(help="Address to serve on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to serve on.", min=1, max=65535)] = None,
    live: LiveOption = False,
    only: Annotated[list[str] | None, typer.Option("--only", metavar="PRODUCT", help="Only this product.")] = None,
    mlflow: Annotated[bool, typer.Option("--mlflow", help="Show operators MLflow's pages, at /ops/mlflow/.")] = False,
    orchestrator: Annotated[
        bool, typer.Option("--orchestrator", help="Leave each day's work to Dagster, shown at /ops/dagster/.")
    ] = False,
) -> None:
    """Run everything on this machine: the sample city (or --live), its forecasts and the map."""
    from urbancast.flows import up as flow
    from urbancast.flows.companions import Companion

    setup = flow.Setup.of(lake=lake, host=host, port=port, is_live=live, only=only or [])
    companions: list[Companion] = []
    if mlflow:
        from urbancast.flows import tracker
        from urbancast.lake.store import Lake

        companions.append(tracker.companion(Lake.open(setup.lake)))
    daily: list[Companion] = []
    if orchestrator:
        from urbancast.flows import orchestrator as dagster

        daily = dagster.companions(setup.lake, only=only or [])
    flow.run(setup, companions, orchestrator=daily)


@app.command(hidden=True)
def work(
    product: ProductArgument,
    stage: Annotated[list[str], typer.Option(help="A stage, such as begin or pull; several in order.")],
    lake: LakeOption = None,
    live: LiveOption = False,
) -> None:
    """Do what `up` owes one product; `up` starts this itself."""
    from urbancast.flows import up as flow

    flow.work(product, stage, flow.Setup.of(lake=lake, host=None, port=None, is_live=live, only=[product]))


@app.command()
def serve(
    lake: LakeOption = None,
    host: Annotated[str | None, typer.Option(help="Address to serve on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to serve on.", min=1, max=65535)] = None,
) -> None:
    """Serve the API and the map over a lake; runs no model."""
    for name, value in FRUGAL.items():
        os.environ.setdefault(name, value)
    from urbancast.api.server import serve as start

    start(lake, host=host, port=port)


@app.command()
def run(
    product: ProductArgument,
    sample: SampleOption = False,
    live: LiveOption = False,
    source: SourceOption = None,
    as_of: AsOfOption = None,
    until: Annotated[str | None, typer.Option("--until", metavar="U", help="Live day by day to here.")] = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Pull, train on what was known at T, live day by day to U, verify, print scores beside the baseline."""
    from urbancast.flows import cycle

    with show.job(product, lake, sample=sample, live=live, source=source, as_of=as_of) as job:
        lived = cycle.live(job, as_of=job.now, until=show.instant(until) or job.now)
        show.lived(job, lived, as_json=as_json)


@app.command()
def pull(
    product: ProductArgument,
    sample: SampleOption = False,
    live: LiveOption = False,
    source: SourceOption = None,
    as_of: AsOfOption = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch what is new, keep the bytes, observe, and count every row's fate."""
    from urbancast.flows import pull as flow

    with show.job(product, lake, sample=sample, live=live, source=source, as_of=as_of) as job:
        show.facts(flow.run(job), as_json=as_json)


@app.command()
def train(
    product: ProductArgument, as_of: AsOfOption = None, lake: LakeOption = None, as_json: JsonOption = False
) -> None:
    """Backtest the candidates, then train the best one as known at T; does not serve it."""
    from urbancast.flows import backtest as evidence, train as flow

    with show.job(product, lake, as_of=as_of) as job:
        flow.baselines(job)
        show.releases(flow.run(job, evidence.run(job)), as_json=as_json)


@app.command()
def backtest(
    product: ProductArgument, as_of: AsOfOption = None, lake: LakeOption = None, as_json: JsonOption = False
) -> None:
    """Forecast past folds as known then with every candidate; print scores beside the simple rules."""
    from urbancast.flows import backtest as flow

    with show.job(product, lake, as_of=as_of) as job:
        show.evidence(job, flow.run(job), as_json=as_json)


@app.command()
def promote(
    product: ProductArgument, as_of: AsOfOption = None, lake: LakeOption = None, as_json: JsonOption = False
) -> None:
    """Backtest, train the best candidate and promote it where it wins."""
    from urbancast.flows import cycle

    with show.job(product, lake, as_of=as_of) as job:
        show.decisions(cycle.improve(job), as_json=as_json)


@app.command()
def rollback(
    product: ProductArgument,
    measure: Annotated[str | None, typer.Option(help="Which measure [default: the first].")] = None,
    to: Annotated[str | None, typer.Option(help="Release to serve [default: the one before].")] = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve an earlier release again; one new row, followed by the API."""
    from urbancast.flows import rollback as flow

    with show.job(product, lake) as job:
        target = flow.run(job, measure=measure, to=to)
        show.releases({target.measure: target}, as_json=as_json)


@app.command()
def forecast(
    product: ProductArgument, as_of: AsOfOption = None, lake: LakeOption = None, as_json: JsonOption = False
) -> None:
    """Forecast from now (or T) with the served releases, and serve it."""
    from urbancast.flows import forecast as flow

    with show.job(product, lake, as_of=as_of) as job:
        show.facts({"rows": flow.run(job), "origin": job.now}, as_json=as_json)


@app.command()
def replay(
    product: ProductArgument,
    days: Annotated[int | None, typer.Option(help="How many past days [default: the recipe's].")] = None,
    anchor: Annotated[
        str | None, typer.Option("--anchor", metavar="T", help="First training, on what was known then [days before].")
    ] = None,
    as_of: AsOfOption = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Live past days again as production would have, trainings and all, and score them."""
    from urbancast.flows import mirror, orchestrator, replay as flow, verify as check

    lived: dict[Any, Any] = {}
    with show.job(product, lake, as_of=as_of) as job:
        origins = flow.run(job, days=days, anchor=show.instant(anchor), told=lived.__setitem__)
        losses = check.run(job, since=check.recent(job, first=min(origins, default=None)))
        mirror.run(job)
        orchestrator.show(job, lived)
        show.losses(job, losses, as_json=as_json)


@app.command()
def verify(
    product: ProductArgument,
    ledger: Annotated[bool, typer.Option("--ledger", help="Recompute the ledger instead; write nothing.")] = False,
    as_of: AsOfOption = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score every issued forecast whose truth has arrived; with --ledger, check that nothing was changed since."""
    if ledger:
        from urbancast.flows import proof

        with show.reading(product, lake) as job:
            found = proof.run(job)
        show.proof(found, as_json=as_json)
        raise typer.Exit(0 if found.is_whole else 1)
    from urbancast.flows import verify as flow

    with show.job(product, lake, as_of=as_of) as job:
        show.losses(job, flow.run(job, since=flow.recent(job)), as_json=as_json)


@app.command()
def export(
    product: ProductArgument,
    table: Annotated[str, typer.Argument(help="forecasts, scores or observations")],
    to: Annotated[Path, typer.Argument(help="A .csv or .parquet file")],
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a product's forecasts, scores or observations to one file."""
    from urbancast.flows import export as flow

    with show.reading(product, lake) as job:
        show.facts({"rows": flow.run(job, table, to), "file": str(to)}, as_json=as_json)


@app.command()
def status(lake: LakeOption = None, as_json: JsonOption = False) -> None:
    """Per product: what is served, since when, from which data, and what ran last."""
    show.status(show.lake(lake), as_json=as_json)


@app.command()
def new(
    product: Annotated[str, typer.Argument(metavar="PRODUCT", help="Its id, such as ghent_bikes.")],
    into: Annotated[Path, typer.Option(help="Folder in which its folder is made.")] = Path("products"),
    city: Annotated[str, typer.Option(help="Name of the city.")] = "My City",
    country: Annotated[str, typer.Option(help="ISO code for public holidays; none by default.")] = "",
    tz: Annotated[str, typer.Option(help="Time zone of the city.")] = "Europe/Brussels",
    lat: Annotated[float, typer.Option(help="Latitude of its centre.")] = 48.0,
    lon: Annotated[float, typer.Option(help="Longitude of its centre.")] = 2.0,
    places: Annotated[Path | None, typer.Option(help="GeoJSON of zones: places and outline are made of it.")] = None,
    place_id: Annotated[str, typer.Option(help="Property of the zones' ids.")] = "id",
    place_name: Annotated[str, typer.Option(help="Property of the zones' names.")] = "name",
    as_json: JsonOption = False,
) -> None:
    """Make a new product's folder that already works on a simulation of its own."""
    from urbancast.flows import scaffold

    outline = scaffold.Outline(id=product, city=city, country=country, tz=tz, lat=lat, lon=lon)
    folder = (
        scaffold.write(into, outline)
        if places is None
        else scaffold.write_zones(into, outline, places, place=place_id, name=place_name)
    )
    show.made(folder, as_json=as_json)


@app.command(name="try")
def try_table(
    table: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV, Parquet or JSON table of counts or readings.")],
    place: Annotated[str | None, typer.Option(help="Column of places.")] = None,
    time: Annotated[str | None, typer.Option(help="Column of times.")] = None,
    value: Annotated[str | None, typer.Option(help="Column of values.")] = None,
    lat: Annotated[str | None, typer.Option(help="Column of latitudes.")] = None,
    lon: Annotated[str | None, typer.Option(help="Column of longitudes.")] = None,
    grain: Annotated[str | None, typer.Option(help="15m, 30m, 1h or 1d.")] = None,
    tz: Annotated[str | None, typer.Option(help="Time zone of the places, such as Europe/Brussels.")] = None,
    keep: Annotated[Path | None, typer.Option(help="Keep the product's folder, lake and report here.")] = None,
    show_it: Annotated[bool, typer.Option("--show/--no-show", help="Open the chart, and serve the map.")] = True,
    port: Annotated[int | None, typer.Option(help="Port of the map.", min=1, max=65535)] = None,
    as_json: JsonOption = False,
) -> None:
    """Try a table of your own: an honest backtest beside the simple rules, and whether it is worth using."""
    from urbancast import trying
    from urbancast.flows.guess import Given

    given = Given(place=place, time=time, value=value, lat=lat, lon=lon, grain=grain, tz=tz)
    trying.run(table, given, trying.Shown(keep=keep, is_shown=show_it and not as_json, port=port, as_json=as_json))


@app.command()
def doctor(lake: LakeOption = None, as_json: JsonOption = False) -> None:
    """Check this installation: products, lake, map, port; what is wrong, and what to do."""
    from urbancast import doctor as check

    check.run(lake, as_json=as_json)
