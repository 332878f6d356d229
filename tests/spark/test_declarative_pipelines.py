"""A project for ``spark-pipelines``, written and run as a user does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyspark
import pytest

from sluice.declarative import Project, write_project
from sluice.ledger.ledger import Ledger
from support.delta_rows import read_delta

pytestmark = [pytest.mark.needs_java, pytest.mark.long, pytest.mark.timeout(1800)]


@dataclass
class Shop:
    """A project, and the landed files that its tables must be equal to."""

    project: Project

    def run(self, *arguments: str, command: str = "run") -> tuple[int, str]:
        """Call the command of Spark's package; return its exit code and its output."""
        spec = ["--spec", str(self.project.specification)]
        binary = Path(pyspark.__file__).parent / "bin" / "spark-pipelines"
        done = subprocess.run(
            [str(binary), command, *spec, *arguments],
            cwd=self.project.folder.parent,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        return done.returncode, done.stdout

    def environment(self) -> Mapping[str, str]:
        """Return what an activated environment has, and the one variable of the page.

        Spark lets a test have a free port: that of a local server is fixed.
        """
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith("SPARK")},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "SPARK_CONF_DIR": str(self.project.settings),
            "SPARK_TESTING": "1",
        }

    def land(self, folder: str, name: str, text: str) -> None:
        """Land a file whole."""
        target = self.project.folder / "landing" / folder / name
        draft = target.with_name(f".{name}")
        draft.write_text(text)
        draft.replace(target)

    def rows(self, table: str) -> list[dict]:
        """Return the rows of a table, read without Spark."""
        return read_delta(str(self.project.folder / "lake/tables" / table)).to_pylist()

    def landed_orders(self) -> list[dict]:
        """Return the landed orders, read by nothing of ours."""
        return [
            json.loads(line)
            for path in sorted((self.project.folder / "landing/orders").glob("*.json"))
            for line in path.read_text().splitlines()
        ]

    def landed_products(self) -> dict[int, tuple[str, float]]:
        """Return name and price of each landed product."""
        lines = [
            line.split(",")
            for path in (self.project.folder / "landing/products").glob("*.csv")
            for line in path.read_text().splitlines()[1:]
        ]
        return {int(each[0]): (each[1], float(each[2])) for each in lines}

    def require_equal(self) -> None:
        """Fail unless each landed row is in its table once, and the view is right."""
        landed, products = self.landed_orders(), self.landed_products()
        assert sorted(row["id"] for row in self.rows("orders")) == sorted(
            order["id"] for order in landed
        )
        assert {
            row["id"]: (row["name"], row["price"]) for row in self.rows("products")
        } == products
        assert len(self.rows("products")) == len(products)
        sold: Counter[str] = Counter()
        for order in landed:
            sold[products[order["product_id"]][0]] += order["quantity"]
        prices = dict(products.values())
        assert {
            row["name"]: (row["sold"], row["revenue"]) for row in self.rows("sales")
        } == {name: (count, count * prices[name]) for name, count in sold.items()}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Return the example as it is written into a new folder."""
    return Shop(write_project(tmp_path / "shop"))


def test_each_file_is_taken_in_once_by_python_and_by_sql(shop: Shop) -> None:
    """The second run finds tables, checkpoints and ledgers, and reads what is new."""
    assert shop.run()[0] == 0
    shop.require_equal()
    paths = {row["file_path"] for row in shop.rows("orders")}
    shop.land("orders", "2.json", '{"id": "o3", "product_id": 3, "quantity": 5}\n')
    shop.land("products", "2.csv", "id,name,price\n3,pot,30.0\n")

    code, printed = shop.run()

    assert code == 0, printed
    assert "Run is COMPLETED" in printed
    shop.require_equal()
    new = str(shop.project.folder / "landing/orders/2.json")
    assert {row["file_path"] for row in shop.rows("orders")} == paths | {new}
    ledger = Ledger.open(str(shop.project.folder / "lake/schemas/orders"))
    assert ledger is not None
    assert len(ledger.claims()) == 2


def test_what_changes_in_a_project_is_taken_in_or_refused_by_name(shop: Shop) -> None:
    """A new field costs a run, a full refresh reads all files, and a typo is named."""
    assert shop.run()[0] == 0
    shop.land(
        "orders", "2.json", '{"id": "o3", "product_id": 1, "quantity": 5, "coupon": 1}'
    )

    code, printed = shop.run()
    assert code == 1
    assert "[UNKNOWN_FIELD_EXCEPTION] file" in printed
    assert "['coupon']" in printed
    assert len(shop.rows("orders")) == 2

    assert shop.run()[0] == 0
    shop.require_equal()
    assert {row["id"]: row["coupon"] for row in shop.rows("orders")} == {
        "o1": None,
        "o2": None,
        "o3": 1,
    }

    assert shop.run("--full-refresh-all")[0] == 0
    shop.require_equal()

    gone = shop.project.folder / "landing/orders/1.json"
    gone.unlink()
    code, printed = shop.run("--full-refresh", "orders")
    assert code == 1
    assert f"[BAD_FILE] file '{gone}'" in printed
    assert shop.rows("orders") == []

    silver = shop.project.folder / "transformations/products.sql"
    silver.write_text(silver.read_text().replace("inferColumn", "inferColum"))
    code, printed = shop.run(command="dry-run")
    assert code == 1
    assert "did you mean 'cloudFiles.inferColumnTypes'?" in printed
