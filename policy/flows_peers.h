/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is taken out of flow_peers again (flows_abi.h) as a record leaves. */
#ifndef POLICY_FLOWS_PEERS_H
#define POLICY_FLOWS_PEERS_H

#include <stdint.h>

#include "policy/flows_abi.h"

/* Before the record has no cookie: a program that does not find it makes another at once. `peers`
 * is the map. */
void flow_peer_forget(int peers, const struct flow *flow);

/* Once no program can have it any more: one may have put it there meanwhile, as the first of its
 * socket's. What stands there now may be another record of the same two ends. */
void flow_peer_forget_late(int peers, const struct flow *flow, uint64_t cookie, uint32_t number);

#endif
