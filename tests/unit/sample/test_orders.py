"""Sample orders: the same on every machine, and untidy in the ways that matter."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from sluice.sample.orders import FIRST_HOUR, HOUR, Order, generate_hour, render

SECOND_HOUR = FIRST_HOUR + HOUR


def hour_of_orders(hour=SECOND_HOUR, seed=1) -> list[Order]:
    """Return the 2,000 orders of an hour."""
    files = generate_hour(hour, files=20, rows=100, seed=seed)
    return [order for orders in files for order in orders]


def moment(order: Order) -> datetime:
    """Return when an order happened."""
    return datetime.fromisoformat(f"{order.order_date}Z")


def test_an_hour_is_the_same_bytes_on_every_machine():
    """A change of the generator changes the numbers that users compare."""
    files = generate_hour(SECOND_HOUR, files=2, rows=10, seed=1)
    digest = hashlib.sha256(b"".join(map(render, files))).hexdigest()

    assert digest[:16] == "5f233fa1273b3f09"


def test_hours_and_seeds_differ():
    """Otherwise every hour would be a duplicate of the first."""
    texts = {
        render(hour_of_orders(SECOND_HOUR)),
        render(hour_of_orders(SECOND_HOUR + HOUR)),
        render(hour_of_orders(SECOND_HOUR, seed=2)),
    }

    assert len(texts) == 3


def test_files_have_the_rows_that_were_asked_for():
    """The counts are what a user checks first."""
    files = generate_hour(SECOND_HOUR, files=3, rows=7, seed=1)

    assert [len(orders) for orders in files] == [7, 7, 7]


def test_rows_are_out_of_order_inside_their_hour():
    """Sorted input would hide every mistake with event time."""
    inside = [moment(order) for order in hour_of_orders()]
    inside = [each for each in inside if each >= SECOND_HOUR]

    assert inside != sorted(inside)
    assert max(inside) < SECOND_HOUR + HOUR


def test_some_rows_are_late_beyond_the_watermark_and_some_only_delayed():
    """Both sides of ten minutes behind the newest row of the hour before."""
    ages = [SECOND_HOUR - moment(order) for order in hour_of_orders()]
    before = [age for age in ages if age > timedelta(0)]

    assert [age for age in before if age > timedelta(minutes=25)]
    assert [age for age in before if age <= timedelta(minutes=5)]
    assert not [
        age for age in before if timedelta(minutes=5) < age <= timedelta(minutes=25)
    ]


def test_the_first_hour_has_no_rows_before_it():
    """Nothing can be late to a stream that has seen nothing."""
    assert min(map(moment, hour_of_orders(FIRST_HOUR))) >= FIRST_HOUR


def test_now_and_then_an_order_comes_twice():
    """A duplicate is the whole order again, as a producer that retries sends it."""
    orders = hour_of_orders()
    duplicates = len(orders) - len({order.order_id for order in orders})

    assert 0 < duplicates < 30
    assert len(set(orders)) == len(orders) - duplicates
