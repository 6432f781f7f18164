"""The group of live feeds."""

from __future__ import annotations

from pydantic import Field, SecretStr

from vpp.settings.group import SettingsGroup


class FeedSettings(SettingsGroup):
    """Live feeds (`--source live:NAME`): addresses, keys and limits of requests. See docs/guide/live-feeds.md."""

    history_days: float = Field(
        default=120.0, ge=1, le=1100, description="days of history fetched before the first slot of a run"
    )
    poll_s: float | None = Field(
        default=None, gt=0, description="time between two requests of a data set (s); None: the data set's default"
    )
    requests_per_s: float | None = Field(
        default=None, gt=0, description="most requests per second to one service; None: the service's limit"
    )
    timeout_s: float = Field(
        default=30.0, gt=0, description="limit of one wait of a request (s); a whole answer may take ten times as long"
    )
    elexon_url: str = Field(default="https://data.elexon.co.uk/bmrs/api/v1", description="Elexon Insights (GB)")
    aemo_url: str = Field(default="https://aemo.com.au", description="AEMO, monthly files of price and demand")
    aemo_nemweb_url: str = Field(default="https://nemweb.com.au", description="AEMO, dispatch files")
    energy_charts_url: str = Field(default="https://api.energy-charts.info", description="Energy-Charts (Europe)")
    octopus_url: str = Field(default="https://api.octopus.energy/v1", description="Octopus Energy (GB tariffs)")
    octopus_product: str = Field(
        default="AGILE-24-10-01", pattern=r"^[A-Z0-9-]+$", description="product whose unit rates are read"
    )
    octopus_region: str = Field(default="C", pattern=r"^[A-P]$", description="grid supply point group, A to P")
    open_meteo_url: str = Field(
        default="https://previous-runs-api.open-meteo.com/v1", description="Open-Meteo, forecasts of earlier runs"
    )
    open_meteo_key: SecretStr | None = Field(default=None, description="Open-Meteo, for commercial use")
    open_meteo_points: str = Field(
        default="",
        pattern=r"^(-?\d+(\.\d+)?:-?\d+(\.\d+)?(,|$))*$",
        description="LATITUDE:LONGITUDE,... whose mean is the zone's weather; empty: those known of the zone",
    )
    entsoe_url: str = Field(default="https://web-api.tp.entsoe.eu/api", description="ENTSO-E Transparency Platform")
    entsoe_key: SecretStr | None = Field(default=None, description="security token of the ENTSO-E platform")
