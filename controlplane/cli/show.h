// `weirctl show ...`: one request, one view; with --watch again and again.
#pragma once

#include "controlplane/cli/command.h"

enum cli_exit show_status(const struct invocation *invocation);
enum cli_exit show_config(const struct invocation *invocation);
enum cli_exit show_ports(const struct invocation *invocation);
enum cli_exit show_vips(const struct invocation *invocation);
enum cli_exit show_pools(const struct invocation *invocation);
enum cli_exit show_flows(const struct invocation *invocation);
enum cli_exit show_drops(const struct invocation *invocation);
enum cli_exit show_balance(const struct invocation *invocation);
enum cli_exit show_access(const struct invocation *invocation);
enum cli_exit show_locals(const struct invocation *invocation);
enum cli_exit show_stages(const struct invocation *invocation);
enum cli_exit show_talkers(const struct invocation *invocation);
enum cli_exit show_handshakes(const struct invocation *invocation);
enum cli_exit show_workers(const struct invocation *invocation);
enum cli_exit show_counters(const struct invocation *invocation);
enum cli_exit show_neighbours(const struct invocation *invocation);
