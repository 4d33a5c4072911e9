/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The config of the control part: services of ten NAT backends each, which stand on one link and
 * are found there by their neighbours. */
#ifndef BENCH_CONTROL_CONFIG_H
#define BENCH_CONTROL_CONFIG_H

#include <stdint.h>
#include <stdio.h>

#include "bench/ground.h"
#include "config/addr.h"

/* Where the daemon has its files. */
#define CONTROL_NAME	 "control"
#define CONTROL_FOLDER	 GROUND_DIR "/" CONTROL_NAME
#define CONTROL_CONFIG	 CONTROL_FOLDER "/lb.conf"
#define CONTROL_SOCKET	 CONTROL_FOLDER "/lbd.sock"
#define CONTROL_PIN	 GROUND_BPFFS "/" CONTROL_NAME

#define CONTROL_BACKENDS 10		/* of a service */
#define CONTROL_LINK	 "link"		/* where they stand, in the edge namespace */
#define CONTROL_NETWORK	 "10.128.0.1/16" /* of that link */
#define CONTROL_PORT	 80		/* of every service */
#define CONTROL_WEIGHT	 100		/* of every backend, but for */
#define CONTROL_CHANGED	 0		/* the backend that is changed, of this service */

/* The service whose backend is changed: in the middle, neither first nor last. */
static inline unsigned int control_changed_service(unsigned int services)
{
	return services / 2;
}

struct addr control_vip(unsigned int service);
struct addr control_backend(unsigned int number); /* over all services */

/* `weight` is that of the backend that is changed. */
void control_config_write(unsigned int services, unsigned int weight, FILE *to);

#endif
