"""Access rules: who may begin is asked, and what a change denies ends."""

import harness
from harness import Hold
from lab import wait_until
from networks import Routed, address
from plane import best_driver
from servers import Nginx, start_echo


class Access(harness.LabTest):
    def test_rules_decide_who_may_begin_and_what_may_go_on(self):
        driver = best_driver()
        network = Routed(self.lab, members=1)
        Nginx(network.members["s1"], "s1")
        start_echo(network.members["s1"], "s1", "tcp", 7)
        config = network.configuration(driver)
        network.serve(config, "echo", 7)
        network.serve(config, "web", 80)
        config["access"] = [{"name": "no-echo6", "action": "deny", "protocol": "tcp", "ports": 7,
                             "to": f"{network.vip[6]}/128"}]
        plane = self.plane(network, config, driver)

        def packets():
            return {rule["name"]: rule["packets"] for rule in plane.ask("show", "access")["rules"]}

        for version in (4, 6):
            report = self.client(network.client, "connect", 5, network.vip[version], 80)
            self.assertEqual({"answered": {"s1": 5}, "failed": []}, report)
        self.assertEqual({"no-echo6": 0}, packets())
        refused = network.client.run("timeout", "3", "bash", "-c",
                                     f"echo > /dev/tcp/{network.vip[6]}/7", check=False)
        self.assertEqual(124, refused.returncode)
        # The kernel may still send it again.
        wait_until(lambda: 0 < packets()["no-echo6"] == plane.drops()["access"], 10,
                   "as many packets of the rule as drops")

        held = Hold(self, network.client, 2, network.vip[4], 7)
        config["access"] = [{"name": "not-the-client", "action": "deny",
                             "from": f"{address(1, 10)}/32"}]
        plane.reload(config)
        wait_until(lambda: plane.members("echo4")["s1"]["flows"] == 0, 10, "flows to be ended")
        self.assertEqual(2, len(held.end()["failed"]))
        self.assertGreater(packets()["not-the-client"], 0)
        report = self.client(network.client, "connect", 5, network.vip[6], 80)
        self.assertEqual({"answered": {"s1": 5}, "failed": []}, report)


if __name__ == "__main__":
    harness.main()
