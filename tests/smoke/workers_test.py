"""Two workers on devices with two queues: a NAT reply that arrives at the other worker still finds
its flow."""

import harness
from networks import Routed
from plane import TAP
from servers import Nginx, sample_file, start_echo


class Workers(harness.SharedLabTest):
    @classmethod
    def build(cls):
        cls.network = Routed(cls.lab)
        content, cls.digest = sample_file(2_000_000, seed=4)
        for name, member in cls.network.members.items():
            Nginx(member, name, {"sample": content})
            start_echo(member, name, "udp", 7)

    def test_nat_is_right_across_two_workers(self):
        network = self.network
        config = network.configuration(TAP, cores=[0, 1])
        for port in config["ports"]:
            port["queues"] = 2
        network.serve(config, "web", 80)
        network.serve(config, "echo", 7, protocol="udp")
        plane = self.plane(network, config, TAP)
        for version in (4, 6):
            host = network.vip[version]
            report = self.client(network.client, "connect", 100, host, 80)
            self.assertEqual([], report["failed"])
            report = self.client(network.client, "downloads", 8, host, 80, "/files/sample")
            self.assert_downloads(report, 8, self.digest)
            report = self.client(network.client, "udp", 60, host, 7)
            self.assertEqual(0, report["lost"], report)
        workers = plane.ask("show", "workers")["workers"]
        self.assertTrue(all(worker["packets"] > 0 for worker in workers), workers)
        self.assertGreater(sum(worker["handoffs"] for worker in workers), 0, workers)

    def test_a_busy_worker_never_sleeps_and_an_adaptive_one_does(self):
        network = self.network
        for poll in ("busy", "adaptive"):
            with self.subTest(poll=poll):
                config = network.configuration(TAP, cores=[0], poll=poll)
                network.serve(config, "web", 80)
                plane = self.plane(network, config, TAP)
                report = self.client(network.client, "connect", 5, network.vip[4], 80)
                self.assertEqual([], report["failed"])
                sleeps = plane.ask("show", "workers")["workers"][0]["sleeps"]
                self.assertEqual(poll == "adaptive", sleeps > 0)
                self.assertEqual(0, plane.stop())


if __name__ == "__main__":
    harness.main()
