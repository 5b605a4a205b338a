"""Changes under load: reloads, drained, removed and dead members. What is established goes on."""

import os

import harness
from harness import Downloads, Hold
from lab import wait_until
from networks import Routed
from plane import best_driver
from servers import Nginx, sample_file, start_echo

RELOADS = 10
DOWNLOADS = 24  # all on one of two members: once in eight million runs
FILE_BYTES = 3_000_000
HALF_DEAD = 81  # a port that the first member does not listen on


class Changes(harness.SharedLabTest):
    @classmethod
    def build(cls):
        cls.driver = best_driver()
        cls.network = Routed(cls.lab, members=3)
        cls.content, _ = sample_file(FILE_BYTES, seed=8)
        for name, member in cls.network.members.items():
            Nginx(member, name, {"sample": cls.content})
            start_echo(member, name, "tcp", 7)
        Nginx(cls.network.members["s2"], "s2", port=HALF_DEAD)

    def config(self, names=("s1", "s2"), weight=1, **node):
        """Two members of three; `weight` is the first one's."""
        config = self.network.configuration(self.driver, **node)
        self.network.serve(config, "web", 80, names=names)
        self.network.serve(config, "echo", 7, names=names)
        for pool in config["pools"]:
            pool["members"][0]["weight"] = weight
        return config

    def start_downloads(self, plane, version=4):
        """Downloads that run on both members."""
        downloads = Downloads(self, self.network.client, DOWNLOADS, self.network.vip[version],
                              self.content)
        for member in plane.members(f"web{version}").values():
            self.assertGreater(member["flows"], 0)
        return downloads

    def assert_new_only_on(self, name, count=40, port=80):
        for version in (4, 6):
            report = self.client(self.network.client, "connect", count,
                                 self.network.vip[version], port)
            self.assertEqual({"answered": {name: count}, "failed": []}, report)

    def test_downloads_live_through_ten_reloads(self):
        plane = self.plane(self.network, self.config(), self.driver)
        running = [self.start_downloads(plane, version) for version in (4, 6)]
        for index in range(RELOADS):
            names = ("s1", "s2", "s3") if index % 2 == 0 else ("s1", "s2")
            before = plane.revision()
            plane.reload(self.config(names, weight=1 + index), by=("ctl", "hup")[index % 4 // 2])
            self.assertGreater(plane.revision(), before)
            self.client(self.network.client, "connect", 5, self.network.vip[4], 80)
        for downloads in running:
            downloads.finish()

    def test_a_drained_member_keeps_its_downloads_and_gets_nothing_new(self):
        plane = self.plane(self.network, self.config(), self.driver)
        running = self.start_downloads(plane)
        for pool in ("web4", "web6"):
            plane.ctl("drain", pool, "s1")
        self.assertEqual("drain", plane.members("web4")["s1"]["state"])
        before = plane.members("web4")["s1"]["flows_created"]
        self.assert_new_only_on("s2")
        self.assertEqual(before, plane.members("web4")["s1"]["flows_created"])
        self.assertIn("s1", running.finish()["served"])
        for pool in ("web4", "web6"):
            plane.ctl("undrain", pool, "s1")
        report = self.client(self.network.client, "connect", 60, self.network.vip[4], 80)
        self.assertEqual({"s1", "s2"}, set(report["answered"]))

    def test_a_drain_outlives_a_reload(self):
        plane = self.plane(self.network, self.config(), self.driver)
        plane.ctl("drain", "web4", "s1")
        plane.ctl("drain", "web6", "s1")
        plane.reload(self.config(weight=5))
        self.assert_new_only_on("s2")

    def test_a_member_drained_by_the_file_gets_nothing_new(self):
        config = self.config()
        for pool in config["pools"]:
            pool["members"][0]["state"] = "drain"
        self.plane(self.network, config, self.driver)
        self.assert_new_only_on("s2")

    def test_a_removed_member_keeps_its_connections(self):
        plane = self.plane(self.network, self.config(), self.driver)
        held = Hold(self, self.network.client, DOWNLOADS, self.network.vip[4], 7)
        running = self.start_downloads(plane)
        plane.reload(self.config(names=("s2",)))
        self.assertEqual("removed", plane.members("echo4")["s1"]["state"])
        self.assert_new_only_on("s2")
        held.round()
        report = held.end()
        self.assertEqual([], report["failed"])
        self.assertEqual({"s1", "s2"}, set(report["answered"]))
        self.assertIn("s1", running.finish()["served"])

    def test_a_removed_member_is_forgotten_when_it_has_no_flows(self):
        plane = self.plane(self.network, self.config(), self.driver)
        plane.reload(self.config(names=("s2",)))
        before = plane.revision()
        wait_until(lambda: "s1" not in plane.members("echo4"), 10, "the removed member to go")
        self.assertEqual(before, plane.revision())
        self.assert_new_only_on("s2")
        plane.write(plane.ctl("show", "config").stdout)
        self.assertEqual({"revision": before, "changes": []}, plane.reload())

    def test_a_dead_member_fails_until_it_is_drained(self):
        config = self.config()
        self.network.serve(config, "half", HALF_DEAD, names=("s1", "s2"))
        plane = self.plane(self.network, config, self.driver)
        report = self.client(self.network.client, "connect", 40, self.network.vip[4], HALF_DEAD)
        self.assertEqual({"s2"}, set(report["answered"]))
        self.assertGreater(len(report["failed"]), 0)
        plane.ctl("drain", "half4", "s1")
        plane.ctl("drain", "half6", "s1")
        self.assert_new_only_on("s2", port=HALF_DEAD)

    def test_a_reload_that_changes_nothing_does_nothing(self):
        plane = self.plane(self.network, self.config(), self.driver)
        before = plane.revision()
        self.assertIn("nothing changed", plane.ctl("reload").stdout)
        answer = plane.reload(self.config())
        self.assertEqual((before, []), (answer["revision"], answer["changes"]))
        self.assertEqual(before, plane.revision())

    def test_a_file_with_conflicts_is_refused_and_the_old_one_goes_on(self):
        plane = self.plane(self.network, self.config(), self.driver)
        held = Hold(self, self.network.client, 10, self.network.vip[4], 7)
        before = plane.revision()
        bad = self.config()
        bad["vips"][1]["address"] = bad["ports"][0]["addresses"][0].split("/")[0]
        bad["pools"][0]["members"][1]["address"] = bad["pools"][0]["members"][0]["address"]
        plane.write(bad)
        refused = plane.ctl("reload", check=False)
        self.assertEqual(1, refused.returncode)
        for words in ("a port's own address", "address and port of another member of the pool"):
            self.assertRegex(refused.stderr, rf"{plane.file}:\d+:\d+: {words}")
        plane.process.signal(harness.signal.SIGHUP)
        wait_until(lambda: plane.process.said().count("configuration refused") > 3, 10,
                   "a word about the bad file, twice")
        status = plane.ask("show", "status")
        self.assertEqual((before, 2), (status["revision"], status["reloads_refused"]))
        report = self.client(self.network.client, "connect", 10, self.network.vip[4], 80)
        self.assertEqual([], report["failed"])
        self.assertEqual([], held.end()["failed"])

    def test_every_problem_of_a_bad_file_is_told(self):
        plane = self.plane(self.network, self.config(), self.driver)
        bad = self.config()
        bad["pools"][0]["balancer"] = "magle"
        bad["vips"][0]["prot"] = 80
        plane.write(bad)
        checked = plane.check().stderr
        self.assertIn("`magle`", checked)
        self.assertIn("`prot`", checked)
        refused = plane.ctl("reload", check=False)
        self.assertEqual(1, refused.returncode)
        self.assertIn(checked, refused.stderr)
        self.assertIn("goes on unchanged", refused.stderr)
        for words in ("magle", "prot"):
            self.assertIn(words, plane.process.said())
        os.remove(plane.file)
        refused = plane.ctl("reload", check=False).stderr
        self.assertIn(f"{plane.file}: cannot open the file", refused)
        self.assertNotIn(":0:0", refused)
        self.client(self.network.client, "connect", 5, self.network.vip[4], 80)

    def test_keys_that_take_a_restart_are_all_named(self):
        plane = self.plane(self.network, self.config(), self.driver)
        before = plane.revision()
        config = self.config(weight=7, memory="777MiB")
        config["node"]["flows"] = {"per-worker": 2048}
        for port in config["ports"]:
            port["descriptors"] = 256
        plane.write(config)
        refused = plane.ctl("reload", check=False)
        self.assertEqual(1, refused.returncode)
        names = ["node.memory", "node.flows.per-worker"] + sorted(
            f"ports.{port['name']}.descriptors" for port in config["ports"])
        self.assertIn("only a restart can change " + ", ".join(names), refused.stderr)
        self.assertIn("restart weir-dataplane", refused.stderr)
        self.assertEqual(before, plane.revision())
        self.client(self.network.client, "connect", 5, self.network.vip[4], 80)


if __name__ == "__main__":
    harness.main()
