/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Settings at the far end of a veth that make XDP lose or spoil packets without a word: no NAPI
 * at a container's end, checksums that a client's end leaves to a card that is none, and a port
 * that is narrower than what comes in. */
#include "lb/ctl/doctor.h"

#include <stdlib.h>

/* Generic XDP sends like the stack does, and needs no NAPI at the other end. */
static bool any_native(const struct doctor *doctor)
{
	for (size_t i = 0; i < doctor->front_count; i++)
		if (!doctor->fronts[i].generic)
			return true;
	return false;
}

static const char *backend_of(const struct doctor *doctor, unsigned int device)
{
	for (size_t i = 0; i < doctor->backend_count; i++)
		if (doctor->backends[i].device == device)
			return doctor->backends[i].name;
	return "?";
}

void check_napi(const struct doctor *doctor, struct findings *findings)
{
	char prefix[SHELL_WORD_MAX], name[SHELL_WORD_MAX];

	for (size_t i = 0; i < doctor->container_count && any_native(doctor); i++) {
		const struct doctor_container *container = &doctor->containers[i];
		const struct veth_end *end = &container->end;

		if (end->gro || end->xdp)
			continue;
		findings_add(findings, "napi",
			     net_view_link(&doctor->view, container->ifindex)->name,
			     text_new("GRO is off at the container's end (%s, backend %s): without "
				      "NAPI there the kernel drops every frame that XDP redirects",
				      end->name, backend_of(doctor, container->ifindex)),
			     text_new("%sethtool -K %s gro on", shell_enter(end->netns, prefix),
				      shell_word(end->name, name)));
	}
}

void check_partial_checksums(const struct doctor *doctor, struct findings *findings)
{
	char prefix[SHELL_WORD_MAX], name[SHELL_WORD_MAX];

	for (size_t i = 0; i < doctor->front_count; i++) {
		const struct doctor_front *front = &doctor->fronts[i];
		const struct net_link *link = net_view_link(&doctor->view, front->ifindex);
		struct veth_end end;

		if (front->generic || !link || link->kind != NET_VETH ||
		    veth_end_read(doctor->net, link, &end) || !end.tx_checksum)
			continue;
		findings_add(findings, "partial_checksum", link->name,
			     text_new("it is a veth, and its other end (%s) hands out packets with "
				      "half a checksum: XDP forwards them as they are, and their "
				      "receiver drops them", end.name),
			     text_new("%sethtool -K %s tx off", shell_enter(end.netns, prefix),
				      shell_word(end.name, name)));
	}
}

/* ---- MTU ------------------------------------------------------------------------------------ */

static const struct doctor_front *front_widest(const struct doctor *doctor, unsigned int *ret_mtu)
{
	const struct doctor_front *widest = NULL;

	*ret_mtu = 0;
	for (size_t i = 0; i < doctor->front_count; i++) {
		const struct net_link *link =
			net_view_link(&doctor->view, doctor->fronts[i].ifindex);

		if (link && link->mtu > *ret_mtu) {
			*ret_mtu = link->mtu;
			widest = &doctor->fronts[i];
		}
	}
	return widest;
}

/* TCP asks the container what it can take, so there only a port that is narrower than the
 * container believes loses frames. Nobody tells a sender of UDP: XDP sends no ICMP. */
void check_mtu(const struct doctor *doctor, struct findings *findings)
{
	char prefix[SHELL_WORD_MAX], name[SHELL_WORD_MAX], far[SHELL_WORD_MAX];
	unsigned int mtu;
	const struct doctor_front *front = front_widest(doctor, &mtu);

	for (size_t i = 0; i < doctor->backend_count && front; i++) {
		const struct doctor_backend *backend = &doctor->backends[i];
		const struct doctor_container *container = backend->container;
		const struct net_link *link = net_view_link(&doctor->view, backend->device);

		if (!container || link->mtu >= mtu ||
		    (!backend->service->udp && link->mtu >= container->mtu))
			continue;
		findings_add(findings, "mtu", link->name,
			     text_new("its MTU is %u, that of %s is %u: bigger frames for %s are "
				      "lost after the redirect, and no sender is told",
				      link->mtu, front->name, mtu, backend->name),
			     text_new("ip link set dev %s mtu %u && %sip link set dev %s mtu %u",
				      shell_word(link->name, name), mtu,
				      shell_enter(container->end.netns, prefix),
				      shell_word(container->end.name, far), mtu));
	}
}
