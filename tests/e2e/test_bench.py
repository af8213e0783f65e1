"""The statistics and the table of tests/bench; what it measures is nothing for a test."""
import os
import random
import sys
import unittest

import harness

sys.path.append(os.path.join(harness.ROOT, "tests", "bench"))
import results  # noqa: E402


class Statistics(unittest.TestCase):
    def test_interval_of_few_values_is_all_of_them(self):
        sample = results.Sample([3.0, 1.0, 2.0])
        self.assertEqual((sample.median, sample.low, sample.high), (2.0, 1.0, 3.0))
        self.assertAlmostEqual(sample.coverage, 0.75)
        self.assertEqual(results.Sample([7.0]).coverage, 0)

    def test_interval_by_the_sign_test(self):
        # The table for the median's 95 % interval: the 6th of 20 from either end holds it with 95.9 %.
        sample = results.Sample(list(range(1, 21)))
        self.assertEqual((sample.low, sample.high), (6, 15))
        self.assertAlmostEqual(sample.coverage, 0.9586, places=4)
        six = results.Sample([1, 2, 3, 4, 5, 6])
        self.assertEqual((six.low, six.high), (1, 6))
        self.assertAlmostEqual(six.coverage, 0.96875)

    def test_interval_holds_the_median_as_often_as_it_says(self):
        source, held, tries = random.Random(1), 0, 2000
        for _ in range(tries):
            sample = results.Sample([source.gauss(0, 1) for _ in range(20)])
            held += sample.low <= 0 <= sample.high
        self.assertGreater(held / tries, 0.94)

    def test_table_survives_its_file(self):
        table = results.Results({"machine": "a | b"})
        table.add(results.sampled("s", "x", [0.9, 1.0, 1.1], results.ratio, ">= 0.99", lambda x: x >= 0.99))
        table.add(results.sampled("s", "y", [0.5], results.ratio, ">= 0.99", lambda x: x >= 0.99))
        table.add(results.Row("t", "z", "1 | 2"))
        self.assertEqual(table.missed(), 1)
        with harness.temporary_directory() as directory:
            path = os.path.join(directory, "r.json")
            table.save(path)
            again = results.Results.load(path)
        self.assertEqual((again.text(), again.markdown()), (table.text(), table.markdown()))
        self.assertIn("| x | 1.000 | 0.900 .. 1.100, n 3 | >= 0.99 | ok |", table.markdown())
        self.assertIn("| y | 0.500 | 0.500 .. 0.500, n 1 | >= 0.99 | MISSED |", table.markdown())
        self.assertIn("| z | 1 \\| 2 |", table.markdown())


if __name__ == "__main__":
    unittest.main()
