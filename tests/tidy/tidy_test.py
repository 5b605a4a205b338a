"""Every rule of tests/tidy is shown a bad sample that it must catch, and a good one it must not."""

import os
import subprocess
import tempfile
import unittest

import floors
import homes
import layout
import lengths
import programs
import text
from tree import Tree

HEADER = "#pragma once\n"


def said(problems):
    return "\n".join(map(str, problems))


def including(room, *targets):
    """A tree in which a file of `room` includes `targets`, all of which exist."""
    texts = {target: HEADER for target in targets}
    texts[f"{room}/sample.c"] = "".join(f'#include "{target}"\n' for target in targets)
    return Tree(texts)


class Floors(unittest.TestCase):
    def test_going_down_is_allowed(self):
        for room, target in (
                ("dataplane/daemon", "dataplane/worker/worker.h"),
                ("dataplane/worker", "dataplane/packet/stage/stage.h"),
                ("dataplane/packet/stage", "dataplane/balance/balance.h"),
                ("dataplane/packet/wire", "base/cursor.h"),
                ("controlplane/cli", "base/ipc/ipc.h"),
                ("tests/unit/base", "dataplane/worker/worker.h"),
                ("bench", "dataplane/worker/worker.h")):
            self.assertEqual("", said(floors.check(including(room, target))))

    def test_going_up_sideways_or_across_is_caught(self):
        for room, target, words in (
                ("base", "base/config/config.h", "is above"),
                ("base/config", "base/ipc/ipc.h", "never meet"),
                ("base", "dataplane/worker/worker.h", "different towers"),
                ("dataplane/packet/wire", "dataplane/packet/flow/flow.h", "never meet"),
                ("dataplane/balance", "dataplane/packet/wire/parse.h", "is above"),
                ("dataplane/packet/stage", "dataplane/worker/worker.h", "is above"),
                ("dataplane/packet/stage", "dataplane/stream/transport/transport.h",
                 "packet and stream"),
                ("dataplane/stream/http", "dataplane/packet/wire/parse.h", "packet and stream"),
                ("dataplane/daemon", "controlplane/cli/cli.h", "different towers"),
                ("controlplane/cli", "dataplane/balance/balance.h", "different towers"),
                ("base", "tests/test.h", "knows its tests")):
            self.assertIn(words, said(floors.check(including(room, target))), (room, target))

    def test_a_folder_that_is_no_room_is_caught(self):
        self.assertIn("is no room", said(floors.check(Tree({"dataplane/new/a.c": ""}))))
        self.assertIn("is no room", said(floors.check(Tree({"base/config/deep/a.c": ""}))))

    def test_a_private_header_stays_in_its_room(self):
        private = "dataplane/packet/flow/table_priv.h"
        self.assertIn("is private", said(floors.check(including("dataplane/worker", private))))
        for room in ("dataplane/packet/flow", "tests/unit/dataplane/packet/flow"):
            self.assertEqual("", said(floors.check(including(room, private))))


class Homes(unittest.TestCase):
    def test_a_library_away_from_home_is_caught(self):
        for path, content, words in (
                ("dataplane/balance/a.c", "#include <rte_mbuf.h>\n", "DPDK"),
                ("dataplane/daemon/a.c", "void f(void) { rte_eal_cleanup(); }\n", "DPDK"),
                ("tests/unit/base/a.c", "#include <rte_ethdev.h>\n", "DPDK"),
                ("dataplane/worker/a.c", "#include <liburing.h>\n", "liburing"),
                ("dataplane/worker/a.c", "#include <jansson.h>\n", "jansson"),
                ("base/ipc/a.c", "#include <libfyaml.h>\n", "libfyaml"),
                ("dataplane/limit/a.c", "#include <hs/hs.h>\n", "Hyperscan"),
                ("base/a.c", "#include <openssl/ssl.h>\n", "OpenSSL"),
                ("controlplane/api/a.c", "#include <raft.h>\n", "libraft"),
                ("base/a.c", "#include <cmocka.h>\n", "cmocka"),
                ("dataplane/packet/port/a.c", "#include <bpf/libbpf.h>\n", "libbpf"),
                ("bench/a.c", "#include <benchmark/benchmark.h>\n", "Google Benchmark"),
                ("bench/a.cc", "", "C++"),
                ("base/a.cpp", "", "C++")):
            self.assertIn(words, said(homes.check(Tree({path: content}))), path)

    def test_a_library_at_home_and_its_name_in_a_comment_are_not(self):
        for path, content in (
                ("dataplane/packet/port/a.c", "#include <rte_mbuf.h>\n"),
                ("tests/unit/dataplane/packet/port/a.c", "#include <rte_mbuf.h>\n"),
                ("dataplane/daemon/a.c", "// after rte_eal_init()\n#include <jansson.h>\n"),
                ("dataplane/daemon/a.c", 'const char *why = "rte_eal_init";\n'),
                ("base/config/a.c", "#include <libfyaml.h>\n"),
                ("bench/shim/a.cc", "#include <benchmark/benchmark.h>\n"),
                ("tests/test.h", "#include <cmocka.h>\n")):
            self.assertEqual("", said(homes.check(Tree({path: content}))), path)


class Layout(unittest.TestCase):
    def test_includes_that_are_no_path_from_the_root_are_caught(self):
        tree = Tree({"base/a.c": '#include "a.h"\n#include <base/a.h>\n#include "base/a.h"\n',
                     "base/a.h": HEADER, "base/meson.build": "'a.c'\n"})
        problems = layout.check(tree)
        self.assertEqual([1, 2], [problem.line for problem in problems])

    def test_c_that_no_meson_build_builds_is_caught(self):
        self.assertIn("there is no base/meson.build", said(layout.check(Tree({"base/a.c": ""}))))
        tree = Tree({"base/a.c": "", "base/meson.build": "'b.c'\n"})
        self.assertIn("does not build it", said(layout.check(tree)))
        tree = Tree({"tests/x/a_test.c": "", "tests/x/meson.build": "foreach name : ['a']\n"})
        self.assertEqual("", said(layout.check(tree)))

    def test_links_that_lead_nowhere_are_caught(self):
        tree = Tree({"docs/README.md": "[a](a.md)\n",
                     "docs/a.md": "# One two\n[x](b.md)\n[y](#one-two)\n[z](#three)\n"
                                  "[w](../base)\n[v](https://www.rfc-editor.org/rfc/rfc791)\n"
                                  "```\n[fenced](gone.md)\n```\n", "base/a.h": HEADER})
        self.assertEqual([2, 4], [problem.line for problem in layout.check(tree)])

    def test_a_page_that_the_index_forgets_is_caught(self):
        tree = Tree({"docs/README.md": "[a](a.md)\n[one](decisions/0001-b.md)\n",
                     "docs/a.md": "", "docs/b.md": "", "docs/decisions/0001-b.md": "",
                     "docs/decisions/0002-c.md": ""})
        self.assertEqual(["docs/b.md", "docs/decisions/0002-c.md"],
                         [problem.path for problem in layout.check(tree)])


class Lines(unittest.TestCase):
    def lines(self, path, content, hosts=()):
        return [problem.line for problem in text.check(Tree({path: content}), hosts)]

    def test_bad_lines_are_caught(self):
        for content in ("int a;\t\n", "\tint a;\n", "int a; \n", "x" * 101 + "\n",
                        "// TO" "DO later\n", "// FIX" "ME\n", "// X" "XX\n", "int a;",
                        'open("/wo' 'rk/main/a");\n', "see /ro" "ot/x\n",
                        "typedef struct a a;\n", "typedef enum { A } a;\n",
                        "typedef struct a *a_handle;\n", "typedef struct {\n} a;\n"):
            self.assertEqual([1], sorted(set(self.lines("base/a.c", content))), content)

    def test_good_lines_are_not(self):
        for content in ("x" * 100 + "\n", 'mkstemp("a-XXXXXX");\n', "// typedef struct a a;\n",
                        "typedef int (*call)(void);\n",
                        "typedef enum error call(int a);\n", "typedef struct a (*call)(void);\n",
                        '"build/wo' 'rk/a"\n', ""):
            self.assertEqual([], self.lines("base/a.c", content), content)
        self.assertEqual([], self.lines("Makefile", "all:\n\techo\n"))
        self.assertEqual([], self.lines("docs/a.md", "x" * 300 + "\n"))

    def test_a_header_without_pragma_once_is_caught(self):
        self.assertEqual([1], self.lines("base/a.h", "int a;\n"))
        self.assertEqual([], self.lines("base/a.h", "// Why.\n#pragma once\n"))

    def test_a_page_that_does_not_exist_is_caught(self):
        tree = Tree({"docs/decisions/0001-a.md": "# A\n",
                     "base/a.c": "// docs/gone.md\n// (docs/decisions/0001).\n"
                                 "// See docs/decisions/0001-a.md.\n// docs/decisions/0002\n"
                                 "// https://host/docs/gone.md\n"})
        self.assertEqual([1, 4], [problem.line for problem in text.check(tree, ())])

    def test_a_package_host_is_caught(self):
        with tempfile.NamedTemporaryFile("w", suffix=".list") as sources:
            sources.write("deb http://user@mirror.example/debian stable main\n"
                          "deb https://deb.debian.org/debian stable main\n")
            sources.flush()
            hosts = text.registry_hosts([sources.name])
        self.assertEqual(["mirror.example"], hosts)
        self.assertEqual([1], self.lines("README.md", "from mirror.example\n", hosts))


def function(lines):
    return "static void f(int a,\n              int b)\n{\n" + "    g();\n" * (lines - 2) + "}\n"


class Lengths(unittest.TestCase):
    def check(self, texts):
        return said(lengths.check(Tree(texts)))

    def test_long_functions_and_files_are_caught(self):
        self.assertEqual("", self.check({"base/a.c": function(70)}))
        self.assertIn("base/a.c:f has 71 lines", self.check({"base/a.c": function(71)}))
        self.assertIn("a.py:f has 72", self.check({"a.py": "def f():\n" + "    g()\n" * 71}))
        self.assertEqual("", self.check({"base/a.c": "int a;\n" * 800}))
        self.assertIn("801 lines", self.check({"base/a.c": "int a;\n" * 801}))

    def test_an_allowance_is_exact_and_goes_when_it_is_not_needed(self):
        name = lengths.ALLOWANCES
        self.assertEqual("", self.check({"base/a.c": function(80), name: "base/a.c:f 80\n"}))
        self.assertIn("has 80", self.check({"base/a.c": function(80), name: "base/a.c:f 90\n"}))
        self.assertIn("remove", self.check({"base/a.c": function(60), name: "base/a.c:f 80\n"}))

    def test_a_list_that_grows_is_caught(self):
        self.assertEqual(["b"], lengths.grown({"a": 80}, {"a": 80, "b": 71}))
        self.assertEqual(["a"], lengths.grown({"a": 80}, {"a": 81}))
        self.assertEqual([], lengths.grown({"a": 80, "b": 71}, {"a": 79}))

    def test_a_commit_that_lengthens_the_list_is_caught(self):
        with tempfile.TemporaryDirectory() as root:
            def git(*arguments):
                subprocess.run(["git", "-C", root, "-c", "user.name=t", "-c", "user.email=t@t",
                                *arguments], check=True, capture_output=True)

            def commit(content):
                with open(os.path.join(root, lengths.ALLOWANCES), "w", encoding="utf-8") as file:
                    file.write(content)
                git("add", ".")
                git("commit", "-q", "-m", "x")

            git("init", "-q")
            os.makedirs(os.path.join(root, "tests/tidy"))
            commit("base/a.c:f 90\n")
            commit("base/a.c:f 80\n")
            self.assertEqual([], lengths.check_history(root, {"base/a.c:f": 80}))
            grown = lengths.check_history(root, {"base/a.c:f": 80, "base/b.c:g": 71})
            self.assertIn("the work tree lengthens the list by base/b.c:g", said(grown))
            commit("base/a.c:f 85\n")
            self.assertIn("by base/a.c:f",
                          said(lengths.check_history(root, {"base/a.c:f": 85})))


class Programs(unittest.TestCase):
    def on_disk(self, files):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        for name, content in files.items():
            with open(os.path.join(folder.name, name), "w", encoding="utf-8") as file:
                file.write(content)
        return Tree.from_disk(folder.name)

    def test_badly_formatted_c_is_caught(self):
        if programs.clang_format() is None:
            self.skipTest("no clang-format of the right version")
        tree = self.on_disk({".clang-format": "BasedOnStyle: LLVM\n", "good.c": "int a;\n",
                             "bad.c": "int   a ;\n"})
        self.assertEqual(["bad.c"], [p.path for p in programs.check_format(tree, self.fail)])

    def test_a_shell_script_that_shellcheck_refuses_is_caught(self):
        notes = []
        tree = self.on_disk({"bad": "#!/bin/bash\nrm $1\n", "good": "#!/bin/sh\nexit 0\n"})
        problems = programs.check_shell(tree, notes.append)
        if notes:
            self.skipTest(notes[0])
        self.assertEqual(["bad"], [problem.path for problem in problems])


if __name__ == "__main__":
    unittest.main()
