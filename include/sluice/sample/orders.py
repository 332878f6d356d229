"""Sample orders, a function of the seed and the hour alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random

FIRST_HOUR = datetime(2025, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
PAYMENT_METHODS = ("credit_card", "debit_card", "paypal", "bank_transfer", "cash")

_LATE_SHARE = 0.02
_LATE_BY_MINUTES = (25, 180)
_DELAYED_SHARE = 0.05
_DELAYED_BY_MINUTES = (0, 5)
_DUPLICATE_SHARE = 0.004
_JITTER_SECONDS = 240


@dataclass(frozen=True)
class Order:
    """One order as a shop system writes it; ``order_date`` is text in UTC."""

    order_id: str
    customer_id: str
    order_date: str
    total_amount: float
    payment_method: str
    product_id: str
    quantity: int


def generate_hour(
    hour: datetime, *, files: int, rows: int, seed: int
) -> list[list[Order]]:
    """Return the orders of each file of ``hour``, the same for the same arguments.

    Files follow time, rows inside them do not. A few orders happened up to five minutes
    before the hour, which a watermark of ten minutes accepts, a few 25 minutes to three
    hours before it, which it does not, and now and then one comes twice.
    """
    random = Random(f"{seed}/{hour:%Y%m%d%H}")
    slots = files * rows
    orders: list[Order] = []
    for slot in range(slots):
        if orders and random.random() < _DUPLICATE_SHARE:
            orders.append(replace(random.choice(orders)))
        else:
            moment = hour + _offset(random, slot / slots, first=hour == FIRST_HOUR)
            orders.append(_order(random, moment, f"{hour:%Y%m%d%H}-{slot:06d}"))
    return [orders[start : start + rows] for start in range(0, slots, rows)]


def render(orders: Sequence[Order]) -> bytes:
    """Return ``orders`` as newline-delimited JSON."""
    return "".join(json.dumps(asdict(each)) + "\n" for each in orders).encode()


def _offset(random: Random, progress: float, *, first: bool) -> timedelta:
    """Return when an order happened, from the hour's start; the first has no past."""
    chance = 1.0 if first else random.random()
    if chance < _LATE_SHARE:
        return -timedelta(seconds=_seconds_before(random, _LATE_BY_MINUTES))
    if chance < _LATE_SHARE + _DELAYED_SHARE:
        return -timedelta(seconds=_seconds_before(random, _DELAYED_BY_MINUTES))
    seconds = int(progress * 3600) + random.randint(-_JITTER_SECONDS, _JITTER_SECONDS)
    return timedelta(seconds=min(max(seconds, 0), 3599))


def _seconds_before(random: Random, minutes: tuple[int, int]) -> int:
    shortest, longest = minutes
    return random.randint(shortest * 60 + 1, longest * 60)


def _order(random: Random, moment: datetime, number: str) -> Order:
    quantity = random.randint(1, 5)
    return Order(
        order_id=f"ord-{number}",
        customer_id=f"cust-{random.randint(1, 500):04d}",
        order_date=f"{moment:%Y-%m-%d %H:%M:%S}",
        total_amount=round(quantity * random.uniform(5, 120), 2),
        payment_method=random.choice(PAYMENT_METHODS),
        product_id=f"prod-{random.randint(1, 60):03d}",
        quantity=quantity,
    )
