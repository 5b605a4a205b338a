"""What counts as passed, failed and skipped."""

import unittest

import totals


def test(result, name="weir:smoke / kernel", stderr=""):
    return {"name": name, "result": result, "stderr": stderr}


class Judging(unittest.TestCase):
    def assert_kind(self, kind, words, *arguments):
        judged, why = totals.judge(*arguments)
        self.assertEqual(kind, judged)
        self.assertIn(words, why or "")

    def test_results_are_what_meson_says(self):
        for result, kind in (("OK", "passed"), ("EXPECTEDFAIL", "passed"), ("FAIL", "failed"),
                             ("TIMEOUT", "failed"), ("ERROR", "failed")):
            self.assert_kind(kind, "", test(result), set())
        self.assert_kind("skipped", "", test("SKIP", "weir:unit+base / clock"), set())

    def test_a_skipped_smoke_test_is_a_failure_unless_it_is_listed(self):
        self.assert_kind("failed", "kernel", test("SKIP"), set())
        self.assert_kind("failed", "kernel", test("SKIP"), {"demo"})
        self.assert_kind("skipped", "", test("SKIP"), {"kernel"})

    def test_a_skipped_case_is_a_failure_unless_it_is_listed(self):
        said = "test_a (__main__.K.test_a) ... ok\n" \
               "test_b (__main__.K.test_b) ... skipped 'no such device'\n"
        self.assert_kind("failed", "kernel.test_b", test("OK", stderr=said), set())
        self.assert_kind("passed", "", test("OK", stderr=said), {"kernel.test_b"})
        self.assert_kind("passed", "", test("OK", stderr="test_a (x) ... ok\n"), set())

    def test_the_list_wants_reasons(self):
        self.assertEqual({"kernel"}, totals.allowed("# all\n\nkernel no TUN there\n"))
        with self.assertRaises(ValueError):
            totals.allowed("kernel\n")


if __name__ == "__main__":
    unittest.main()
