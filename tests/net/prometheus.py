# SPDX-License-Identifier: GPL-2.0-or-later
"""A real Prometheus in a namespace, that scrapes what listens there every second."""

import json
import shutil

from lab import wait_for

TOOLS = ("prometheus", "promtool")
CONF = """
global: {{ scrape_interval: 1s, scrape_timeout: 1s }}
scrape_configs: [ {{ job_name: edgelb, static_configs: [ {{ targets: [ "{target}" ] }} ] }} ]
"""


def missing():
    """What the machine lacks for this, or None."""
    return next((f"{tool} is not installed" for tool in TOOLS if not shutil.which(tool)), None)


class Prometheus:
    """Its data and config stand in the lab's folder; it ends with the lab."""

    def __init__(self, namespace, target="127.0.0.1:9180", listen="127.0.0.1:9090"):
        self.namespace, self.listen = namespace, listen
        place = namespace.lab.tmp / f"prometheus-{namespace.label}"
        place.mkdir()
        conf = place / "prometheus.yml"
        conf.write_text(CONF.format(target=target))
        self.process = namespace.start(
            "prometheus", f"--config.file={conf}", f"--storage.tsdb.path={place}/data",
            f"--web.listen-address={listen}", "--log.level=warn")
        wait_for(self._answers, "Prometheus")

    def _answers(self):
        assert self.process.running(), self.process.output()
        return self._curl("/-/ready", check=False).returncode == 0

    def _curl(self, path, *options, check=True):
        return self.namespace.run("curl", "-sSf", *options, f"http://{self.listen}{path}",
                                  check=check)

    def _get(self, path, **parameters):
        options = [option for name, value in parameters.items()
                   for option in ("--data-urlencode", f"{name}={value}")]
        # Without -f the body of a refusal is read, which says what is wrong.
        text = self.namespace.run("curl", "-sS", "-G", *options,
                                  f"http://{self.listen}{path}").stdout
        answer = json.loads(text)
        assert answer["status"] == "success", (parameters, answer)
        assert not answer.get("warnings"), (parameters, answer)
        return answer["data"]

    def query(self, expr, **parameters):
        """Label sets and values of an expression now."""
        data = self._get("/api/v1/query", query=expr, **parameters)
        if data["resultType"] == "scalar":
            return [({}, float(data["result"][1]))]
        return [(row["metric"], float(row["value"][1])) for row in data["result"]]

    def value(self, expr, **parameters):
        """Of an expression with one result; None while there is none."""
        rows = self.query(expr, **parameters)
        assert len(rows) <= 1, (expr, rows)
        return rows[0][1] if rows else None

    def range(self, expr, start, end, step=1):
        """Label sets, and for each the list of (time, value)."""
        data = self._get("/api/v1/query_range", query=expr, start=start, end=end, step=step)
        return [(row["metric"], [(at, float(value)) for at, value in row["values"]])
                for row in data["result"]]

    def label_values(self, label, match):
        return self._get(f"/api/v1/label/{label}/values", **{"match[]": match})

    def wait_value(self, expr, wanted):
        wait_for(lambda: self.value(expr) == wanted, f"{expr} == {wanted}")

    def wait_scrapes(self, count):
        """So many more."""
        scrapes = "count_over_time(up[1h])"
        wanted = (self.value(scrapes) or 0) + count
        wait_for(lambda: (self.value(scrapes) or 0) >= wanted, f"{count} scrapes")
