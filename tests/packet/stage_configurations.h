// The configurations that the tests of the stages run.
#pragma once

// Two legs; the pools in each forwarding mode have one member each, so that it is known who gets
// what.
static const char configuration[] =
    "node: {name: test, cores: [0], flows: {per-worker: 1024, tcp-opening: 10s,\n"
    "       tcp-established: 900s, tcp-closing: 30s, udp: 60s}}\n"
    "ports:\n"
    "  - {name: front, device: net_null0, mtu: 1500, addresses: [10.1.0.1/24, fd00:1::1/64],\n"
    "     gateway: [10.1.0.254], punt: {interface: punt0, rate: 10/s}}\n"
    "  - {name: back, device: net_null1, mtu: 1500, addresses: [10.2.0.1/24, fd00:2::1/64]}\n"
    "pools:\n"
    "  - {name: nat, forward: nat, members: [{name: n1, address: 10.2.0.11, port: 8080}]}\n"
    "  - {name: nat6, forward: nat, members: [{name: n6, address: 'fd00:2::11', port: 8080}]}\n"
    "  - {name: direct, forward: direct, members: [{name: d1, address: 10.1.0.21}]}\n"
    "  - {name: ipip, forward: ipip, members: [{name: t1, address: 10.2.0.31}]}\n"
    "  - {name: ipip6, forward: ipip, members: [{name: t6, address: 'fd00:2::31'}]}\n"
    "  - {name: lost, forward: nat, members: [{name: l1, address: 10.2.0.99, port: 80}]}\n"
    "  - {name: idle, forward: nat, members: [{name: i1, address: 10.2.0.12, weight: 0}]}\n"
    "vips:\n"
    "  - {name: nat, address: 10.1.0.100, port: 80, protocol: tcp, pool: nat}\n"
    "  - {name: natu, address: 10.1.0.100, port: 53, protocol: udp, pool: nat}\n"
    "  - {name: nat6, address: 'fd00:1::100', port: 80, protocol: tcp, pool: nat6}\n"
    "  - {name: direct, address: 10.1.0.101, port: 80, protocol: tcp, pool: direct}\n"
    "  - {name: ipip, address: 10.1.0.102, port: 80, protocol: tcp, pool: ipip}\n"
    "  - {name: ipip6, address: 10.1.0.103, port: 80, protocol: tcp, pool: ipip6}\n"
    "  - {name: lost, address: 10.1.0.104, port: 80, protocol: tcp, pool: lost}\n"
    "  - {name: idle, address: 10.1.0.105, port: 80, protocol: tcp, pool: idle}\n";

// One pool of two members, and what a change makes of it.
#define TWO_MEMBERS                                                    \
    "node: {name: test, cores: [0], flows: {per-worker: 4096}}\n"      \
    "ports:\n"                                                         \
    "  - {name: front, device: net_null0, addresses: [10.1.0.1/24]}\n" \
    "  - {name: back, device: net_null1, addresses: [10.2.0.1/24]}\n"
#define VIP "vips: [{name: v, address: 10.1.0.100, port: 80, protocol: tcp, pool: p}]\n"

static const char both_members[] =
    TWO_MEMBERS "pools: [{name: p, members: [{name: a, address: 10.2.0.11, port: 8080},\n"
                "                            {name: b, address: 10.2.0.12, port: 8080}]}]\n" VIP;
static const char only_b[] =
    TWO_MEMBERS "pools: [{name: p, members: [{name: b, address: 10.2.0.12, port: 8080}]}]\n" VIP;
static const char a_is_a_vip[] =
    TWO_MEMBERS "pools: [{name: p, members: [{name: b, address: 10.2.0.12, port: 8080}]}]\n"
                "vips: [{name: v, address: 10.1.0.100, port: 80, protocol: tcp, pool: p},\n"
                "       {name: w, address: 10.2.0.11, port: 8080, protocol: tcp, pool: p}]\n";
static const char no_vip[] =
    TWO_MEMBERS "pools: [{name: p, members: [{name: b, address: 10.2.0.12, port: 8080}]}]\n";

// The same server in two pools, of which one leaves and then the other.
#define ONE_VIP   "{name: v, address: 10.1.0.100, port: 80, protocol: tcp, pool: p}"
#define OTHER_VIP "{name: w, address: 10.1.0.101, port: 80, protocol: tcp, pool: q}"
static const char a_in_two_pools[] =
    TWO_MEMBERS "pools: [{name: p, members: [{name: a, address: 10.2.0.11, port: 8080}]},\n"
                "        {name: q, members: [{name: a, address: 10.2.0.11, port: 8080}]}]\n"
                "vips: [" ONE_VIP ", " OTHER_VIP "]\n";
static const char a_in_the_other_pool[] =
    TWO_MEMBERS "pools: [{name: q, members: [{name: a, address: 10.2.0.11, port: 8080}]}]\n"
                "vips: [" OTHER_VIP "]\n";
static const char a_in_no_pool[] =
    TWO_MEMBERS "pools: [{name: q, members: [{name: b, address: 10.2.0.12, port: 8080}]}]\n"
                "vips: [" OTHER_VIP "]\n";

static const char both_direct[] = TWO_MEMBERS
    "pools: [{name: p, forward: direct, members: [{name: a, address: 10.2.0.11},\n"
    "                                             {name: b, address: 10.2.0.12}]}]\n" VIP;

// The same with two workers.
#define TWO_WORKERS                                                    \
    "node: {name: test, cores: [0, 1], flows: {per-worker: 4096}}\n"   \
    "ports:\n"                                                         \
    "  - {name: front, device: net_null0, addresses: [10.1.0.1/24]}\n" \
    "  - {name: back, device: net_null1, addresses: [10.2.0.1/24], punt: {interface: p1}}\n"

static const char two_workers[] =
    TWO_WORKERS "pools: [{name: p, members: [{name: a, address: 10.2.0.11, port: 8080},\n"
                "                            {name: b, address: 10.2.0.12, port: 8080}]}]\n" VIP;
static const char two_workers_only_b[] =
    TWO_WORKERS "pools: [{name: p, members: [{name: b, address: 10.2.0.12, port: 8080}]}]\n" VIP;
static const char two_workers_no_vip[] =
    TWO_WORKERS "pools: [{name: p, members: [{name: a, address: 10.2.0.11, port: 8080}]}]\n";
static const char two_workers_ipip[] =
    TWO_WORKERS "pools: [{name: p, forward: ipip, members: [{name: b, address: 10.2.0.12}]}]\n" VIP;
