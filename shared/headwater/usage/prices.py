"""Prices of models: the dated table `prices.toml`, and an installation's own that take precedence (`PRICES`)."""

import datetime as dt
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from headwater.errors import ConfigError

_TABLE = Path(__file__).with_name("prices.toml")
MAX_PRICE = 1_000_000

_RELEASE = re.compile(r"-(\d{8}|\d{4}-\d{2}-\d{2}|latest)$")
"""The date at the end of a model's release, such as `-20250929` or `-2024-08-06`."""


class Price(msgspec.Struct, frozen=True):
    """US dollars for a million tokens, and for each call. None: as for input."""

    input: Decimal = Decimal(0)
    output: Decimal = Decimal(0)
    cached: Decimal | None = None
    cache_written: Decimal | None = None
    call: Decimal = Decimal(0)


class Prices(msgspec.Struct, frozen=True):
    """Prices by `provider:model`. `date`: the day on which the table was checked."""

    date: dt.date
    models: Mapping[str, Price]

    def find(self, model: str) -> Price | None:
        """Return the price of a model, or of the model that it is a dated release of; None if it is unknown.

        `provider:*` is the price of all other models of a provider.
        """
        names = (model, _RELEASE.sub("", model), f"{model.partition(':')[0]}:*")
        return next((self.models[name] for name in names if name in self.models), None)


@cache
def load_prices(own: str = "") -> Prices:
    """Return the prices. `own` is the setting `PRICES`: TOML text or a file. Raises ConfigError."""
    table = _read(_TABLE.read_text(), "prices.toml")
    if not own:
        return table
    try:
        text = own if "=" in own else Path(own).read_text()
    except (OSError, ValueError) as error:
        raise ConfigError(f"PRICES: the file can't be read: {error}.") from error
    changed = _read(text, "PRICES")
    return Prices(max(table.date, changed.date), {**table.models, **changed.models})


def _read(text: str, name: str) -> Prices:
    import tomllib

    try:
        content = tomllib.loads(text, parse_float=Decimal)
        return Prices(
            msgspec.convert(content.get("date", dt.date.min), dt.date),
            {model: _price(price) for model, price in content.get("models", {}).items()},
        )
    except (ValueError, ArithmeticError, AttributeError, TypeError) as error:
        raise ConfigError(f"{name}: {error}. See docs/models.md for the form of a price.") from error


def _price(values: Mapping[str, Any]) -> Price:
    """Convert a price. Raises an error if it has an unknown field or a value that is no amount of money."""
    price = Price(**{name: Decimal(value) for name, value in values.items()})
    if any(value is not None and not 0 <= value < MAX_PRICE for value in msgspec.structs.astuple(price)):
        raise ValueError(f"a price is from 0 to {MAX_PRICE} US dollars")
    return price
