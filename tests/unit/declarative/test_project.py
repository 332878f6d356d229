from __future__ import annotations

from pathlib import Path

import pytest

from sluice.declarative import project, write_project
from sluice.errors import UsageError


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give settings and Java as an installation has them."""
    own = {
        "spark.driver.extraJavaOptions": "-Dours",
        "spark.sql.shuffle.partitions": "2",
    }
    monkeypatch.setattr(project, "submit_conf", lambda: own)
    monkeypatch.setattr(project, "java_home", lambda: Path("/java"))


def test_settings_are_a_sessions_with_a_catalog_that_stays(tmp_path: Path) -> None:
    """Spark's own catalog forgets, and then a run stumbles over its own tables."""
    made = write_project(tmp_path / "shop")

    lines = (made.settings / "spark-defaults.conf").read_text().splitlines()
    settings = dict(line.split(" ", 1) for line in lines)
    lake = tmp_path / "shop" / "lake"
    assert lake.is_dir()
    assert settings == {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": (
            f"-Dours -Dderby.stream.error.file={lake}/catalog.log"
        ),
        "spark.driver.host": "127.0.0.1",
        "spark.hadoop.javax.jdo.option.ConnectionURL": (
            f"jdbc:derby:;databaseName={lake}/catalog;create=true"
        ),
        "spark.sql.catalogImplementation": "hive",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": f"{lake}/tables",
    }
    assert "/java" in (made.settings / "spark-env.sh").read_text()


def test_example_has_no_place_left_to_fill_in(tmp_path: Path) -> None:
    """It runs as it is written, from any folder."""
    made = write_project(tmp_path / "shop")

    texts = [path.read_text() for path in made.folder.rglob("*.*") if path.is_file()]
    assert len(texts) == 7
    assert not any("$" in text for text in texts)
    assert f"file://{made.folder}/lake/storage" in made.specification.read_text()


def test_what_a_project_has_stays(tmp_path: Path) -> None:
    """Only the settings name what an upgrade changes."""
    (tmp_path / "spark-pipeline.yml").write_text("name: mine")
    (tmp_path / "conf").mkdir()
    defaults = tmp_path / "conf" / "spark-defaults.conf"
    defaults.write_text("# mine\nspark.my.own 1\nspark.sql.shuffle.partitions 7\n")
    (tmp_path / "conf" / "spark-env.sh").write_text("export MINE=1\n")

    made = write_project(tmp_path)
    once = defaults.read_text()
    write_project(tmp_path)

    assert made.specification.read_text() == "name: mine"
    assert "hive" in once
    assert once.endswith("\n# mine\nspark.my.own 1\n")
    assert defaults.read_text() == once
    assert "spark.sql.shuffle.partitions 2\n" in once
    variables = (tmp_path / "conf" / "spark-env.sh").read_text()
    assert variables == 'export JAVA_HOME="/java"\nexport MINE=1\n'
    assert not (tmp_path / "transformations").exists()


def test_specification_may_have_its_other_name(tmp_path: Path) -> None:
    """Spark takes both, and refuses a folder that has both."""
    (tmp_path / "spark-pipeline.yaml").write_text("name: mine")

    made = write_project(tmp_path)

    assert made.specification == tmp_path / "spark-pipeline.yaml"
    assert not (tmp_path / "spark-pipeline.yml").exists()
    assert not (tmp_path / "transformations").exists()


def test_interrupted_example_is_finished(tmp_path: Path) -> None:
    """The specification comes last, so a folder without it is not a project yet."""
    write_project(tmp_path)
    (tmp_path / "spark-pipeline.yml").unlink()
    (tmp_path / "landing/orders/1.json").unlink()
    (tmp_path / "transformations/orders.py").write_text("mine")

    write_project(tmp_path)

    assert (tmp_path / "spark-pipeline.yml").is_file()
    assert (tmp_path / "landing/orders/1.json").is_file()
    assert (tmp_path / "transformations/orders.py").read_text() == "mine"


@pytest.mark.parametrize("name", ["it's", 'a"b', "a b", "a;b", "ü", "a$b", "a{b}"])
def test_folder_that_some_file_could_not_hold_is_refused(
    tmp_path: Path, name: str
) -> None:
    """A quote would end a string of SQL, and a semicolon the database's name."""
    with pytest.raises(UsageError, match="ASCII letters"):
        write_project(tmp_path / name)
    assert not (tmp_path / name).exists()
