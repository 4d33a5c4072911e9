/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a config asks for beside the balancer: isolation and the seeing of flows. They are changed
 * together with the tables or not at all. */
#include <errno.h>

#include "lb/flows/flows.h"
#include "lb/isolation.h"
#include "lb/log.h"
#include "lb/manager.h"

int parts_apply(struct manager *manager, const struct config *config, struct diag *diag)
{
	int err = config->policy ? isolation_apply(manager->isolation, config, diag) : 0;

	if (!err && config->flows) {
		err = flows_apply(manager->flows, config, diag);
		if (err && manager->config && config->policy &&
		    isolation_apply(manager->isolation, manager->config, diag))
			log_error("policy: the list before this reload could not be put back");
	}
	return err;
}

void parts_return(struct manager *manager, const struct config *config, struct diag *diag)
{
	if (!manager->config)
		return;
	if (config->policy && isolation_apply(manager->isolation, manager->config, diag))
		log_error("policy: the list before this reload could not be put back");
	if (config->flows && flows_apply(manager->flows, manager->config, diag))
		log_error("flows: what was before this reload could not be put back");
}

void parts_remove(struct manager *manager, struct diag *diag)
{
	int err = 0;

	if (!manager->config->policy)
		err = isolation_apply(manager->isolation, manager->config, diag);
	if (!manager->config->flows && flows_apply(manager->flows, manager->config, diag))
		err = -EIO;
	if (err)
		log_diag(LOG_WARNING, diag);
}
