"""What weir-dataplane says of a command line that it does not take."""

import subprocess
import sys
import unittest

PROGRAM = sys.argv.pop(1)


class Usage(unittest.TestCase):
    def refuses(self, *arguments: str) -> str:
        done = subprocess.run(
            [PROGRAM, *arguments], capture_output=True, text=True, timeout=60, check=False
        )
        self.assertEqual(2, done.returncode)
        self.assertEqual("", done.stdout)
        self.assertTrue(done.stderr.endswith("\ntry: weir-dataplane --help\n"), done.stderr)
        return done.stderr.splitlines()[0]

    def test_says_what_is_wrong_with_it(self) -> None:
        self.assertEqual("weir-dataplane: --config FILE is needed", self.refuses())
        self.assertEqual("weir-dataplane: too many arguments", self.refuses("--config", "a", "b"))

    def test_an_option_given_twice_is_refused(self) -> None:
        twice = {
            "--config": ("--config", "a", "--check", "--config", "b"),
            "--check": ("--check", "--config", "a", "--check"),
            "--socket": ("--socket=/a", "--config", "a", "--socket", "/b"),
        }
        for option, arguments in twice.items():
            self.assertEqual(
                f"weir-dataplane: {option} is given twice: leave one out",
                self.refuses(*arguments),
            )


if __name__ == "__main__":
    unittest.main()
