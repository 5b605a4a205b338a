"""Members that are told who the client is by the PROXY protocol: nginx logs it, a server that
speaks first greets with it, and whole uploads and downloads pass behind it, through loss, too. And
by the TOA option, which stands in what a member's kernel gets."""

import harness
from harness import url
from lab import wait_until
from networks import Far, Lossy
from plane import best_driver
from servers import Nginx, sample_file, wait_for_listener

FILE_BYTES = 2_000_000
DOWNLOADS = 4
GREETINGS = 40
UPLOAD_BYTES = 200_000


class Introduce(harness.LabTest):
    def setUp(self):
        super().setUp()
        self.content, self.digest = sample_file(FILE_BYTES, seed=15)

    def serve(self, network):
        self.servers = []
        for name, member in network.members.items():
            self.servers.append(Nginx(member, name, {"sample": self.content}, told=True))
            greeter = member.python("greeter", "greeter.py", "::", "25")
            wait_for_listener(member, greeter, 25)
            Nginx(member, f"{name}-plain", port=81)
        driver = best_driver()
        config = network.configuration(driver)
        told = {"forward": "fullnat", "client-address": "proxy-v2"}
        network.serve(config, "web", 80, **told)
        network.serve(config, "mail", 25, **told)
        network.serve_crossing(config, "web", 80)
        network.serve_crossing(config, "mail", 25)
        network.serve(config, "plain", 81, forward="fullnat", **{"client-address": "toa"})
        network.serve_crossing(config, "plain", 81)
        return self.plane(network, config, driver)

    def logged(self):
        """Clients' address and port, and the address they came from, in members' logs."""
        return [entry[:2] + [entry[2].removeprefix("::ffff:")]
                for server in self.servers for entry in server.clients()]

    def assert_greeted(self, network, size):
        for host in (*network.vip.values(), network.crossing):
            report = self.client(network.client, "greet", GREETINGS, host, 25, size)
            self.assertEqual((GREETINGS, []), (report["right"], report["failed"]), report)

    def test_servers_know_their_clients(self):
        network = Far(self.lab)
        self.serve(network)
        for version, host in ((4, network.vip[4]), (6, network.vip[6]), (4, network.crossing)):
            said = self.curl(network.client, url(host, "/files/sample"), "--output", "/dev/null",
                             "--write-out", "%{local_ip} %{local_port}")
            # A log entry is written after the last byte of an answer.
            client = said.split() + [network.local[version]]
            wait_until(lambda: client in self.logged(), 5, f"{client} in a member's log")
        self.assert_greeted(network, UPLOAD_BYTES)
        for version in (4, 6):
            report = self.client(network.client, "downloads", DOWNLOADS, network.vip[version], 80,
                                 "/files/sample")
            self.assert_downloads(report, DOWNLOADS, self.digest)

    def test_kernels_find_their_clients(self):
        network = Far(self.lab)
        plane = self.serve(network)
        told = {pool["name"]: pool["client_address"]
                for pool in plane.ask("show", "pools")["pools"]}
        self.assertEqual(("proxy-v2", "toa"), (told["web4"], told["plain4"]))
        seen = [member.python("options", "options.py", "81")
                for member in network.members.values()]
        for options in seen:
            options.wait_for_words("ready")
        for host in (*network.vip.values(), network.crossing):
            said = self.curl(network.client, url(host)[:-1] + ":81/", "--output", "/dev/null",
                             "--write-out", "%{local_ip} %{local_port}")
            wait_until(lambda: any(said in options.said().splitlines() for options in seen), 5,
                       f"a member to see {said}")
        self.assertEqual({}, {reason: count for reason, count in plane.drops().items()
                              if reason.startswith(("no-", "tcp", "l4", "flow"))})

    def test_streams_are_whole_through_loss(self):
        network = Lossy(self.lab, percent=3, seed=16)
        plane = self.serve(network)
        self.assert_greeted(network, UPLOAD_BYTES // 4)
        for version in (4, 6):
            report = self.client(network.client, "downloads", DOWNLOADS, network.vip[version], 80,
                                 "/files/sample")
            self.assert_downloads(report, DOWNLOADS, self.digest)
        network.loss.stop()
        counts = harness.json.loads(network.loss.said().splitlines()[-1])
        self.assertGreater(min(counts["lost"], counts["overtaken"]), 20, counts)
        # A segment that was overtaken by the end of its connection is of no flow.
        self.assertEqual({}, {reason: count for reason, count in plane.drops().items()
                              if reason.startswith(("no-", "tcp", "l4", "flow"))
                              and reason != "no-flow"})


if __name__ == "__main__":
    harness.main()
