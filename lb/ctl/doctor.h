/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lbctl doctor: what it looks at, as one value, and the checks over it. cmd_doctor.c fills the
 * value (doctor_subject.c: who is there; doctor_look.c: how the kernel stands to them), runs every
 * check and prints. A check only looks: mending is the operator's, by the command it names. */
#ifndef LB_CTL_DOCTOR_H
#define LB_CTL_DOCTOR_H

#include "config/config.h"
#include "lb/ctl/findings.h"
#include "lb/watch/netlink.h"
#include "lb/watch/veth.h"

struct json_object;
struct nl_sock;

struct doctor_front {
	char name[IFNAMSIZ];
	unsigned int ifindex;	/* as the daemon told; after doctor_look(), 0: it is not there */
	unsigned int l3;	/* who has its addresses: itself, or its bridge or bond */
	bool generic;		/* generic XDP is on it, or will be */
};

struct doctor_service {
	char *name;
	bool udp;
	struct addr *vips;
	size_t vip_count;
	struct config_ports *ports;	/* none: any */
	size_t port_count;
};

struct doctor_container {	/* the far end of a backend's veth, and its namespace */
	unsigned int ifindex;	/* of the end here */
	struct veth_end end;
	struct net_view view;	/* of its namespace */
	struct nl_sock *sock;	/* likewise, for questions about routes */
	unsigned int mtu;	/* of the far end */
	int rp_filter;		/* effective at the far end; -1: not known */
};

struct doctor_backend {		/* one address of a backend that is not off */
	char *name;		/* "web/web-a" */
	const struct doctor_service *service;
	struct addr address;
	uint16_t port;		/* 0: a packet keeps its port */
	bool nat;
	bool encap;		/* ipip or gue; neither: dsr */
	struct prefix encap_source; /* length 0: this host's address, or not known */
	bool has_mac;
	unsigned char mac[6];
	char interface[IFNAMSIZ]; /* as the daemon found it or the config names it; "": not known */
	unsigned int device;	/* ifindex that XDP redirects to; 0: not known */
	unsigned int via;	/* that of the route: the device, or the bridge it is a port of */
	bool local;		/* a container of this host */
	const struct doctor_container *container; /* NULL: none, or it cannot be looked at */
};

struct doctor {
	struct net *net;
	struct net_view view;
	struct nl_sock *sock;
	struct doctor_front *fronts;
	size_t front_count;
	struct doctor_service *services;
	size_t service_count;
	struct doctor_backend *backends;
	size_t backend_count;
	struct doctor_container *containers;	/* one a device */
	size_t container_count;
	struct diag unseen;	/* what could not be looked at, and why */
};

#define IS_IPV6(addr) (!addr_is_ipv4(addr))

/* Interfaces, services and backends: from the daemon's answer to /v1/show, or from a config. */
void doctor_from_show(struct doctor *doctor, struct json_object *reply);
void doctor_from_config(struct doctor *doctor, const struct config *config);

/* Links, devices and containers of them. Returns 0 or -errno with a sentence in diag. */
int doctor_look(struct doctor *doctor, struct diag *diag);
void doctor_clear(struct doctor *doctor);

/* Its parts: containers of the backends whose devices are known (doctor_container.c), and a view
 * that is read again where the network changed meanwhile. */
void doctor_look_containers(struct doctor *doctor);
void doctor_container_clear(struct doctor_container *container);
int doctor_view_read(struct net *net, struct net_view *ret_view);

/* ---- the checks ---- */

void check_napi(const struct doctor *doctor, struct findings *findings);
void check_partial_checksums(const struct doctor *doctor, struct findings *findings);
void check_vips_answered(const struct doctor *doctor, struct findings *findings);
void check_foreign_xdp(const struct doctor *doctor, struct findings *findings);
void check_forwarding(const struct doctor *doctor, struct findings *findings);
void check_way_back(const struct doctor *doctor, struct findings *findings);
void check_dsr(const struct doctor *doctor, struct findings *findings);
void check_encap(const struct doctor *doctor, struct findings *findings);
void check_vlan_offload(const struct doctor *doctor, struct findings *findings);
void check_published_ports(const struct doctor *doctor, struct findings *findings);
void check_mtu(const struct doctor *doctor, struct findings *findings);

/* ---- questions to the kernel (doctor_ask.c, doctor_sysctl.c) ---- */

/* A socket of the current network namespace for the two questions below; NULL on failure. */
struct nl_sock *doctor_sock_open(void);

/* By which interface a packet from one of that namespace's own addresses leaves; 0: none. */
unsigned int doctor_route_from(struct nl_sock *sock, const struct addr *from,
			       const struct addr *to);

/* Whether `ip neigh add proxy` made this namespace answer for addr on the interface. */
bool doctor_has_proxy(struct nl_sock *sock, unsigned int ifindex, const struct addr *addr);

/* net.ipv4.conf.DEVICE.KEY or net.ipv6.… of the current namespace; -1: cannot be read. `device`
 * may be "all". */
int sysctl_read(bool ipv6, const char *device, const char *key);

/* The greater of "all" and the device: how rp_filter, arp_ignore and proxy_arp are meant. */
int sysctl_read_effective(bool ipv6, const char *device, const char *key);

/* The same as one word of a shell's command "sysctl -w"; the caller frees it. */
char *sysctl_word(bool ipv6, const char *device, const char *key, int value);

#endif
