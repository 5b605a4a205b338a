// DPDK's bonding interface under the names that it has since 23.11. Before, a member was called a
// slave.
#pragma once

#include <rte_eth_bond.h>
#include <rte_eth_bond_8023ad.h>
#include <rte_version.h>

#if RTE_VERSION < RTE_VERSION_NUM(23, 11, 0, 0)
#define rte_eth_bond_member_add         rte_eth_bond_slave_add
#define rte_eth_bond_active_members_get rte_eth_bond_active_slaves_get
#define rte_eth_bond_8023ad_member_info rte_eth_bond_8023ad_slave_info // a function and a struct
#endif
