"""Every packet is explained: whose drops they were, and where cycles go."""

import harness
from harness import url
from networks import Routed
from plane import best_driver
from servers import Nginx


class Explain(harness.LabTest):
    def start(self):
        driver = best_driver()
        network = Routed(self.lab, members=2)
        for name, member in network.members.items():
            Nginx(member, name)
        config = network.serve(network.configuration(driver), "web", 80)
        return network, config, self.plane(network, config, driver)

    def test_drops_are_their_vips_and_stages_are_counted(self):
        network, config, plane = self.start()
        for _ in range(5):
            self.curl(network.client, url(network.vip[4]))
        for pool in config["pools"]:
            for member in pool["members"]:
                member["weight"] = 0
        plane.reload(config)
        self.curl(network.client, url(network.vip[4]), "--connect-timeout", "1", check=False)
        self.client(network.client, "spray", 5, network.vip[4], 9)

        drops = plane.ask("show", "drops", "--by-vip")["drops"]
        found = {(drop["vip"], drop["reason"]): drop["packets"] for drop in drops}
        self.assertGreater(found[("web4", "no-member")], 0)
        self.assertEqual(5, found[(None, "no-service")])
        only = plane.ask("show", "drops", "--vip", "web4")["drops"]
        self.assertEqual({"web4"}, {drop["vip"] for drop in only})
        self.assertEqual([], plane.ask("show", "drops", "--vip", "web6")["drops"])
        wrong = plane.ctl("show", "drops", "--vip", "wbe", check=False)
        self.assertEqual(1, wrong.returncode)
        self.assertIn("there is no virtual address wbe", wrong.stderr)
        self.assertIn("no-member", plane.ctl("show", "drops", "--by-vip").stdout)

        worker = plane.ask("show", "stages")["workers"][0]
        stages = {stage["stage"]: stage for stage in worker["stages"]}
        short = stages["short-path"]
        self.assertGreaterEqual(short["packets"], 5 * 8)
        self.assertGreaterEqual(short["packets"], short["calls"])
        self.assertGreater(stages["rx"]["calls"], short["calls"])
        self.assertLess(sum(stage["cycles"] for stage in worker["stages"]), worker["cycles"])
        said = plane.ctl("show", "stages", "--worker", "0").stdout
        self.assertIn("CYCLES/PACKET", said)
        print(said)


if __name__ == "__main__":
    harness.main()
