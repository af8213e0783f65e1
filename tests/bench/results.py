"""Rows of the benchmark's table, the statistics behind them, and how they are printed."""
import json
import math
import statistics


class Sample:
    """Values of the same thing: their median, and an interval for the median from order statistics (the sign test's):
    it assumes nothing of how the values scatter. With fewer than six values the widest that there is, min to max."""

    def __init__(self, values):
        self.values = sorted(values)
        self.median = statistics.median(self.values)
        rank, self.coverage = _interval_rank(len(self.values))
        self.low, self.high = self.values[rank], self.values[-1 - rank]


def _interval_rank(count):
    """The innermost pair of order statistics that holds the median with at least 95 %, and with how much it does."""
    rank, outside = 0, 2 * 0.5 ** count
    while rank + 1 < count / 2:
        further = outside + 2 * math.comb(count, rank + 1) * 0.5 ** count
        if further > 0.05:
            break
        rank, outside = rank + 1, further
    return rank, max(0.0, 1 - outside)


class Row:
    """One line of the table. `target` is the issue's value in words, `met` whether it is reached (None: no target)."""

    def __init__(self, section, name, measured, interval="", target="", met=None, values=None):
        self.section, self.name, self.measured, self.interval = section, name, measured, interval
        self.target, self.met, self.values = target, met, values or {}

    @property
    def verdict(self):
        return "" if self.met is None else "ok" if self.met else "MISSED"

    def cells(self):
        return [self.name, self.measured, self.interval, self.target, self.verdict]


def sampled(section, name, values, form, target="", met=None, **more):
    """A row of a median: `form` prints one value, `met` judges the median."""
    sample = Sample(values)
    interval = "%s .. %s, n %d" % (form(sample.low), form(sample.high), len(sample.values))
    numbers = dict(median=sample.median, low=sample.low, high=sample.high, coverage=sample.coverage, all=list(values), **more)
    return Row(section, name, form(sample.median), interval, target, None if met is None else met(sample.median), numbers)


def ratio(value):
    return "%.3f" % value


def percent(value):
    return "%.2f %%" % (100 * value)


def milliseconds(value):
    return "%.1f ms" % (1e3 * value)


def millions(value):
    return "%.1f M/s" % (value / 1e6)


HEAD = ["", "measured (median)", "interval", "target", ""]


class Results:
    def __init__(self, about):
        self.about, self.rows = about, []

    def add(self, row):
        self.rows.append(row)

    def missed(self):
        return sum(row.met is False for row in self.rows)

    def save(self, path):
        document = {"about": self.about, "rows": [dict(vars(row), verdict=row.verdict) for row in self.rows]}
        with open(path, "w") as file:
            json.dump(document, file, indent=1)
            file.write("\n")

    @staticmethod
    def load(path):
        with open(path) as file:
            document = json.load(file)
        results = Results(document["about"])
        for row in document["rows"]:
            row.pop("verdict")
            results.add(Row(**row))
        return results

    def _sections(self):
        for name in dict.fromkeys(row.section for row in self.rows):
            yield name, [row for row in self.rows if row.section == name]

    def text(self):
        widths = [max(len(cells[i]) for cells in [HEAD] + [row.cells() for row in self.rows]) for i in range(4)]

        def line(cells):
            return ("  ".join(cell.ljust(width) for cell, width in zip(cells, widths + [0]))).rstrip()

        lines = ["%s: %s" % item for item in self.about.items()]
        for name, rows in self._sections():
            lines += ["", line([name] + HEAD[1:])] + [line(row.cells()) for row in rows]
        return "\n".join(lines) + "\n"

    def markdown(self):
        lines = ["- %s: %s" % item for item in self.about.items()] + ["", "| %s |" % " | ".join(HEAD), "|---" * 5 + "|"]
        for name, rows in self._sections():
            lines.append("| **%s** | | | | |" % name)
            lines += ["| %s |" % " | ".join(cell.replace("|", "\\|") for cell in row.cells()) for row in rows]
        return "\n".join(lines) + "\n"
