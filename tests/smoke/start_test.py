"""Starting and stopping: sample configurations are good, what cannot start says why, and what stops
leaves nothing."""

import glob
import os
import shutil

import harness
from lab import PROGRAMS, run
from networks import Routed
from plane import TAP, Plane, best_driver

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(PROGRAMS)))


class Starting(harness.SharedLabTest):
    @classmethod
    def build(cls):
        cls.network = Routed(cls.lab)
        cls.binary = os.path.join(harness.BUILD, "dataplane/daemon/weir-dataplane")
        cls.weirctl = os.path.join(harness.BUILD, "controlplane/cli/weirctl")

    def test_every_sample_configuration_is_good(self):
        samples = sorted(glob.glob(os.path.join(ROOT, "configs", "*.yaml")))
        self.assertTrue(samples)
        for sample in samples:
            said = run([self.binary, "--config", sample, "--check"], check=False)
            self.assertEqual(0, said.returncode, said.stderr)

    def test_check_tells_all_that_is_wrong_and_where(self):
        network = self.network
        config = network.serve(network.configuration(best_driver()), "web", 80)
        config["pools"][0]["balancer"] = "magle"
        config["vips"][1]["pool"] = "nowhere"
        plane = Plane(network.plane, harness.BUILD, config, network.wires, best_driver())
        said = plane.check()
        self.assertNotEqual(0, said.returncode)
        self.assertRegex(said.stderr, rf"{plane.file}:\d+:\d+: .*magle")
        self.assertRegex(said.stderr, rf"{plane.file}:\d+:\d+: .*nowhere")

    def test_a_device_that_does_not_exist_is_named(self):
        network = self.network
        for device, words in (
                ("net_af_xdp0,iface=nothere", "no kernel interface nothere here: ip link"),
                ("ffff:1f:1f.7", "no PCI device ffff:1f:1f.7 on this machine: dpdk-devbind.py")):
            config = network.configuration(best_driver())
            config["ports"][0]["device"] = device
            plane = Plane(network.plane, harness.BUILD, config, network.wires, best_driver())
            process = plane.launch()
            self.assertEqual(1, process.wait(60), process.said())
            self.assertIn(words, process.said())

    def test_a_missing_file_and_a_wrong_option_are_named(self):
        for arguments, words in ((["--config", "/nowhere.yaml"], "/nowhere.yaml"),
                                 (["--confg", "x"], "--confg")):
            said = run([self.binary, *arguments], check=False)
            self.assertGreater(said.returncode, 0)
            self.assertIn(words, said.stderr)

    def test_who_is_not_root_is_told_so_before_anything_is_opened(self):
        sample = os.path.join(ROOT, "configs", "demo.yaml")
        # Copies, because nobody may not be able to reach the build folder.
        copy = self.lab.path("weir-dataplane")
        shutil.copy(self.binary, copy)
        config = self.lab.path("demo.yaml")
        shutil.copy(sample, config)
        socket = self.lab.path("nobody.sock")
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", copy]
        said = run([*nobody, "--config", config, "--socket", socket], check=False)
        self.assertEqual(2, said.returncode, said.stderr)
        self.assertEqual("weir-dataplane: must run as root: it opens devices and binds memory; "
                         "try: sudo weir-dataplane --config FILE\n", said.stderr)
        self.assertFalse(os.path.exists(socket))
        for arguments in (["--config", config, "--check"], ["--help"], ["--version"]):
            said = run([*nobody, *arguments], check=False)
            self.assertEqual(0, said.returncode, said.stderr)

    def test_weirctl_says_when_nothing_listens(self):
        nowhere = self.lab.path("nowhere.sock")
        said = run([self.weirctl, "--socket", nowhere, "show", "pools"], check=False)
        self.assertEqual(3, said.returncode)
        self.assertIn(nowhere, said.stderr)

    def assert_leaves_nothing(self, driver):
        network = self.network
        config = network.configuration(driver, port={"punt": {"interface": "weir-punt0"}})
        network.serve(config, "web", 80)
        plane = Plane(network.plane, harness.BUILD, config, network.wires, driver)
        bridges = {f"{wire}-br" for wire in network.wires}
        before = set(network.plane.interfaces()) - bridges
        plane.start()
        huge_pages = plane.ask("show", "status")["huge_pages"]
        self.assertEqual(0, plane.stop(), plane.process.said())
        self.assertEqual(0 if huge_pages else 1, plane.process.said().count("no huge pages"))
        self.assertEqual(1, plane.process.said().count("node.hash-seed 0"))
        self.assertEqual(before, set(network.plane.interfaces()) - bridges)
        self.assertNotIn("xdp", network.plane.ip("-d", "link", "show").stdout)
        self.assertFalse(os.path.exists(plane.socket))
        config["node"]["hash-seed"] = 1
        plane.write(config)
        plane.start()
        self.assertEqual(0, plane.stop(), plane.process.said())
        self.assertNotIn("node.hash-seed", plane.process.said())

    def test_a_stop_leaves_nothing_and_a_new_start_works(self):
        self.assert_leaves_nothing(best_driver())

    def test_a_stop_leaves_nothing_with_tap_devices(self):
        self.assert_leaves_nothing(TAP)

    def test_a_tap_interface_that_exists_is_not_joined(self):
        network = self.network
        config = network.configuration(TAP)
        first = self.plane(network, config, TAP)
        second = Plane(network.plane, harness.BUILD, config, network.wires, TAP)
        second.socket = self.lab.path("second.sock")
        process = second.launch()
        self.assertGreater(process.wait(60), 0, process.said())
        self.assertRegex(process.said(), "interface weir-front-tap exists already.*ip link delete")
        self.assertTrue(first.process.running())

    def test_a_misspelt_argument_of_a_device_is_named(self):
        network = self.network
        for driver in (TAP, best_driver()):
            config = network.configuration(driver)
            config["ports"][0]["device"] = f"{driver}0,ifaze=weir-front"
            plane = Plane(network.plane, harness.BUILD, config, network.wires, driver)
            process = plane.launch()
            self.assertGreater(process.wait(60), 0, process.said())
            self.assertIn("ifaze", process.said())

    def test_the_socket_s_folder_goes_with_who_made_it(self):
        driver = best_driver()
        network = self.network
        plane = Plane(network.plane, harness.BUILD, network.configuration(driver), network.wires,
                      driver)
        folder = self.lab.path("made")
        plane.socket = os.path.join(folder, "dataplane.sock")
        plane.start()
        self.assertTrue(os.path.exists(plane.socket))
        self.assertEqual(0, plane.stop(), plane.process.said())
        self.assertFalse(os.path.exists(folder))

    def test_a_second_one_on_the_same_socket_is_refused(self):
        driver = best_driver()
        network = self.network
        config = network.serve(network.configuration(driver), "web", 80)
        first = self.plane(network, config, driver)
        config["ports"] = [dict(port, device=f"net_null{index}")
                           for index, port in enumerate(config["ports"])]
        second = Plane(network.plane, harness.BUILD, config, network.wires, driver)
        process = second.launch()
        self.assertGreater(process.wait(60), 0, process.said())
        self.assertIn(second.socket, process.said())
        self.assertTrue(first.process.running())


if __name__ == "__main__":
    harness.main()
