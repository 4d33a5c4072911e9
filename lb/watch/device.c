/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a device takes frames that XDP redirects to it (ndo_xdp_xmit). A devmap takes every
 * ifindex without complaint and loses the frames of the wrong ones, so this is asked first. */
#include "lb/watch/veth.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lb/watch/ethtool.h"

/* For kernels before 6.3, which do not tell: drivers that have ndo_xdp_xmit in Linux 6.1. Those
 * of hardware set up the queues for it only while a program is attached to the device itself. */
static const struct {
	const char *driver;
	bool needs_program;
} transmitters[] = {
	{ "veth", false },
	{ "tun", false },
	{ "virtio_net", true },
	{ "hv_netvsc", true },
	{ "ena", true },
	{ "bnxt_en", true },
	{ "i40e", true },
	{ "ice", true },
	{ "igb", true },
	{ "igc", true },
	{ "ixgbe", true },
	{ "mlx5_core", true },
	{ "qede", true },
	{ "sfc", true },
	{ "fsl_dpaa2_eth", true },
	{ "fsl_enetc", true },
	{ "mvneta", true },
	{ "mvpp2", true },
	{ "st_gmac", true },
};

__attribute__((format(printf, 3, 4)))
static int refuse(char *reason, size_t size, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason, size, format, args);
	va_end(args);
	return -EOPNOTSUPP;
}

static void driver_of(const struct net_link *link, char driver[ETHTOOL_DRIVER_MAX])
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ethtool_driver(fd, link->name, driver))
		strcpy(driver, "unknown");
	if (fd >= 0)
		close(fd);
}

static int lookup_driver(const struct net_link *link, const char *driver, char *reason,
			 size_t size)
{
	for (size_t i = 0; i < sizeof(transmitters) / sizeof(transmitters[0]); i++) {
		if (strcmp(transmitters[i].driver, driver) != 0)
			continue;
		if (!transmitters[i].needs_program || link->xdp_prog_id)
			return 0;
		return refuse(reason, size, "%s (driver %s) takes redirected frames only while an "
			      "XDP program is attached to it", link->name, driver);
	}
	return refuse(reason, size, "%s: driver %s is not known to take redirected frames",
		      link->name, driver);
}

/* What a driver says of itself can change with its state: most of those of hardware offer
 * ndo_xdp_xmit only while a program is attached to the device. */
static int judge_features(const struct net_link *link, uint64_t features, const char *driver,
			  char *reason, size_t size)
{
	if (features & NET_XDP_NDO_XMIT)
		return 0;
	if ((features & NET_XDP_REDIRECT) && !link->xdp_prog_id)
		return refuse(reason, size, "%s (driver %s) does not take redirected frames while "
			      "no XDP program is attached to it", link->name, driver);
	return refuse(reason, size, "%s (driver %s) does not take redirected frames", link->name,
		      driver);
}

int device_can_transmit(struct net *net, const struct net_link *link, char *reason, size_t size)
{
	char driver[ETHTOOL_DRIVER_MAX];
	uint64_t features;
	int err;

	if (link->kind == NET_BRIDGE)
		return refuse(reason, size, "%s is a bridge, only its ports take redirected frames",
			      link->name);
	if (!link->up)
		return refuse(reason, size, "%s is down", link->name);
	/* Always can; what its features say is whether the other end has NAPI: see veth_end. */
	if (link->kind == NET_VETH)
		return 0;

	driver_of(link, driver);
	err = net_xdp_features(net, link->ifindex, &features);
	if (err == -ENODEV)
		return refuse(reason, size, "%s is gone", link->name);
	if (err)
		return lookup_driver(link, driver, reason, size);
	return judge_features(link, features, driver, reason, size);
}
