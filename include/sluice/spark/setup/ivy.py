"""How jars are fetched: by Spark's own Ivy, in a JVM that ends right after."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JJavaError

from sluice.spark.setup.gateway import bare_gateway
from sluice.spark.setup.installation import installation_error

# The password that every Java gives its list of authorities; it protects nothing.
_STORE_PASSWORD = "changeit"


def fetch_with_ivy(coordinates: Sequence[str], folder: Path) -> list[Path]:
    """Fetch ``coordinates`` without their dependencies and return their files in order.

    A user's ``spark.jars.ivySettings`` and ``spark.jars.repositories`` are honoured.
    Ivy's cache lives in ``folder``, so that nothing is left in the home folder.
    """
    log = folder / "ivy.log"
    with bare_gateway() as gateway:
        trust_system_authorities(gateway, folder / "authorities.p12")
        try:
            found = _resolve(gateway.jvm, coordinates, folder / "ivy", log)
        except Py4JJavaError as error:
            raise _not_fetched(coordinates, log) from error
    return [found[ivy_name(coordinate)] for coordinate in coordinates]


def ivy_name(coordinate: str) -> str:
    """Return the name under which Spark's Ivy leaves the jar of ``coordinate``."""
    group, artifact, version = coordinate.split(":")
    return f"{group}_{artifact}-{version}.jar"


def trust_system_authorities(gateway: Any, store: Path) -> None:
    """Let the JVM trust what Python trusts, besides what Java trusts by itself.

    The bundled runtime knows the public authorities only, and a company's proxy signs
    with its own.
    """
    bundle = ssl.get_default_verify_paths().cafile
    if bundle is None:
        return
    jvm, system = gateway.jvm, gateway.jvm.java.lang.System
    password = gateway.new_array(jvm.char, len(_STORE_PASSWORD))
    for index, character in enumerate(_STORE_PASSWORD):
        password[index] = character
    own = Path(system.getProperty("java.home"), "lib", "security", "cacerts")
    authorities = jvm.java.security.KeyStore.getInstance(
        jvm.java.io.File(str(own)), password
    )
    factory = jvm.java.security.cert.CertificateFactory.getInstance("X.509")
    stream = jvm.java.io.FileInputStream(bundle)
    for index, certificate in enumerate(factory.generateCertificates(stream)):
        authorities.setCertificateEntry(f"system-{index}", certificate)
    authorities.store(jvm.java.io.FileOutputStream(str(store)), password)
    system.setProperty("javax.net.ssl.trustStore", str(store))
    system.setProperty("javax.net.ssl.trustStorePassword", _STORE_PASSWORD)


def _resolve(
    jvm: Any, coordinates: Sequence[str], cache: Path, log: Path
) -> dict[str, Path]:
    """Let Ivy fetch ``coordinates`` and return its files by name."""
    maven = getattr(getattr(jvm.org.apache.spark.util, "MavenUtils$"), "MODULE$")
    lines = jvm.java.io.PrintStream(str(log))
    files = maven.resolveMavenCoordinates(
        ",".join(coordinates),
        _ivy_settings(jvm, maven, cache, lines),
        jvm.scala.Option.empty(),
        False,  # noqa: FBT003 - transitive
        jvm.PythonUtils.toSeq([]),
        False,  # noqa: FBT003 - only a test of the resolution
        lines,
    )
    paths = [Path(path) for path in files.mkString("\n").splitlines()]
    return {path.name: path for path in paths}


def _ivy_settings(jvm: Any, maven: Any, cache: Path, lines: Any) -> Any:
    """Return Ivy's settings: the user's own where Spark's configuration has them."""
    option, system = jvm.scala.Option, jvm.java.lang.System
    repositories = option.apply(system.getProperty("spark.jars.repositories"))
    folder = option.apply(str(cache))
    own = system.getProperty("spark.jars.ivySettings")
    if own:
        return maven.loadIvySettings(own, repositories, folder, lines)
    return maven.buildIvySettings(repositories, folder, False, lines)  # noqa: FBT003


def _not_fetched(coordinates: Sequence[str], log: Path) -> Exception:
    """Return the error that says what Ivy said."""
    said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    warnings = "\n".join(said[-25:])
    return installation_error(
        f"jars {list(coordinates)} could not be fetched; look at the network, or name "
        "your mirror's settings as spark.jars.ivySettings in spark-defaults.conf, and "
        f"run `make setup` again; Ivy said:\n{warnings}",
        {"jars": list(coordinates)},
    )
