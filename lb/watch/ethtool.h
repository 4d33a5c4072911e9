/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The few questions that only ethtool's ioctl answers. `fd` is any socket of the namespace in
 * which the device is. All return 0 or -errno. */
#ifndef LB_WATCH_ETHTOOL_H
#define LB_WATCH_ETHTOOL_H

#include <stdbool.h>
#include <stdint.h>

#define ETHTOOL_DRIVER_MAX 32

/* `command` is one of ETHTOOL_G* and ETHTOOL_S* that carry a struct ethtool_value. */
int ethtool_get(int fd, const char *device, uint32_t command, bool *ret_on);
int ethtool_set(int fd, const char *device, uint32_t command, bool on);
int ethtool_flags(int fd, const char *device, uint32_t *ret_flags); /* ETH_FLAG_* */
int ethtool_driver(int fd, const char *device, char ret_driver[ETHTOOL_DRIVER_MAX]);

#endif
