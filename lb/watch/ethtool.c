/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ethtool's ioctl, as far as veth.c and device.c need it. */
#include "lb/watch/ethtool.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

_Static_assert(sizeof(((struct ethtool_drvinfo *)0)->driver) == ETHTOOL_DRIVER_MAX,
	       "a driver's name fits");

static int call(int fd, const char *device, void *argument)
{
	struct ifreq request = { .ifr_data = argument };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
	return ioctl(fd, SIOCETHTOOL, &request) ? -errno : 0;
}

int ethtool_get(int fd, const char *device, uint32_t command, bool *ret_on)
{
	struct ethtool_value value = { .cmd = command };
	int err = call(fd, device, &value);

	if (!err)
		*ret_on = value.data;
	return err;
}

int ethtool_set(int fd, const char *device, uint32_t command, bool on)
{
	struct ethtool_value value = { .cmd = command, .data = on };

	return call(fd, device, &value);
}

int ethtool_flags(int fd, const char *device, uint32_t *ret_flags)
{
	struct ethtool_value value = { .cmd = ETHTOOL_GFLAGS };
	int err = call(fd, device, &value);

	if (!err)
		*ret_flags = value.data;
	return err;
}

int ethtool_driver(int fd, const char *device, char ret_driver[ETHTOOL_DRIVER_MAX])
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	int err = call(fd, device, &info);

	if (!err)
		snprintf(ret_driver, ETHTOOL_DRIVER_MAX, "%s", info.driver);
	return err;
}
