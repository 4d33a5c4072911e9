/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one list of exits. Every way in which a packet can leave lb or lb_reply is one row: name,
 * action, and the sentence that lbctl prints. The enum, the counters, the labels of the metrics
 * and the tests' completeness check are all made from it. Append only: the numbers are indexes of
 * a pinned map. */
#ifndef XDP_LB_VERDICTS_H
#define XDP_LB_VERDICTS_H

enum lb_action {
	LB_PASS,	/* to the kernel's stack */
	LB_DROP,
	LB_TX,		/* out by the port it came in */
	LB_REDIRECT,	/* out by another port */
};

#define LB_VERDICTS(X)                                                                            \
	X(PASS_NOT_IP, LB_PASS, "neither IPv4 nor IPv6")                                          \
	X(PASS_PROTOCOL, LB_PASS, "neither TCP, UDP, nor ICMP about a flow")                      \
	X(PASS_NOT_SERVICE, LB_PASS, "no service has this address, protocol and port")            \
	X(DROP_TRUNCATED, LB_DROP, "a header is cut short")                                       \
	X(DROP_MALFORMED, LB_DROP, "a header contradicts itself or the packet's length")          \
	X(DROP_FRAGMENT, LB_DROP, "a fragment whose first was not seen")                          \
	X(DROP_IPV4_OPTIONS, LB_DROP, "IPv4 options for a virtual address")                       \
	X(DROP_IPV6_EXTENSION, LB_DROP, "IPv6 extension headers that are not walked through")     \
	X(DROP_NO_BACKEND, LB_DROP, "the service has no backend that can be used")                \
	X(DROP_NO_NEXT_HOP, LB_DROP, "the backend's next hop is not known")                       \
	X(DROP_TTL, LB_DROP, "the TTL or hop limit is spent")                                     \
	X(REDIRECT_NAT, LB_REDIRECT, "to a backend, destination translated")                      \
	X(REDIRECT_DSR, LB_REDIRECT, "to a backend, addresses kept")                              \
	X(TX_NAT, LB_TX, "to a backend by the port it came in, destination translated")           \
	X(TX_DSR, LB_TX, "to a backend by the port it came in, addresses kept")                   \
	X(REDIRECT_REPLY, LB_REDIRECT, "a backend's reply, source translated")                    \
	X(TX_REPLY, LB_TX, "a backend's reply by the port it came in, source translated")         \
	X(PASS_REPLY_DIRECT, LB_PASS, "from a backend to this host or a backend's network")       \
	X(PASS_REPLY_SLOW, LB_PASS, "a backend's reply whose next hop XDP cannot know: to tc")    \
	X(PASS_NOT_REPLY, LB_PASS, "tc: not from a backend that is translated")                   \
	X(PASS_REPLY_TOO_BIG, LB_PASS, "tc: a reply too big for its way, for the stack to refuse")\
	X(DROP_REPLY_NO_ROUTE, LB_DROP, "tc: no route for a backend's reply")                     \
	X(DROP_REPLY_FORWARDING, LB_DROP, "tc: forwarding is off where a reply comes in")         \
	X(DROP_REPLY_FRAGMENT, LB_DROP, "tc: a fragment of a reply whose first was not seen")     \
	X(TX_REJECT, LB_TX, "the service is down: refused by a reset or port unreachable")        \
	X(DROP_FRAGMENT_TINY, LB_DROP, "a fragment that cuts or overlaps the transport header")   \
	X(TX_ECHO, LB_TX, "an echo request to a virtual address, answered")                       \
	X(DROP_ECHO, LB_DROP, "an echo request to a virtual address that is down")                \
	X(REDIRECT_IPIP, LB_REDIRECT, "to a backend, encapsulated in IP")                         \
	X(TX_IPIP, LB_TX, "to a backend by the port it came in, encapsulated in IP")              \
	X(REDIRECT_GUE, LB_REDIRECT, "to a backend, encapsulated in UDP")                         \
	X(TX_GUE, LB_TX, "to a backend by the port it came in, encapsulated in UDP")              \
	X(TX_TOO_BIG, LB_TX, "too big once encapsulated: its sender is told the MTU")             \
	X(DROP_TOO_BIG, LB_DROP, "too big once encapsulated, and nobody can be told")             \
	X(PASS_ENCAP_FRAGMENT, LB_PASS, "encapsulated, for the stack to fragment and send on")    \
	X(REDIRECT_PMTU, LB_REDIRECT, "a router's word on the MTU, handed to the sender")         \
	X(TX_PMTU, LB_TX, "a router's word on the MTU, back by the port it came in")

#define LB_VERDICT_ENUM(name, action, text) LB_##name,
enum lb_verdict { LB_VERDICTS(LB_VERDICT_ENUM) LB_VERDICT_COUNT };
#undef LB_VERDICT_ENUM

#define LB_VERDICTS_MAX 64 /* room for more: a new verdict changes no table */
_Static_assert(LB_VERDICT_COUNT <= LB_VERDICTS_MAX, "every verdict has its counter");

#endif
