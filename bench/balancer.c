/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lbd's life: its config, its start up to READY=1, its end. */
#include "bench/balancer.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/scenario.h"

#define READY_MS 15000

/* Where an lbd has its files. */
struct site {
	char folder[64];	/* of config, log, socket and state */
	char config[80], log[80], socket[80], state[80], pin[64];
	char ready[80];		/* where lbd tells systemd that it is ready */
};

static int site_make(const char *name, struct site *ret_site)
{
	struct site *site = ret_site;

	snprintf(site->folder, sizeof(site->folder), GROUND_DIR "/%s", name);
	snprintf(site->config, sizeof(site->config), "%s/lb.conf", site->folder);
	snprintf(site->log, sizeof(site->log), "%s/lbd.log", site->folder);
	snprintf(site->socket, sizeof(site->socket), "%s/lbd.sock", site->folder);
	snprintf(site->state, sizeof(site->state), "%s/state", site->folder);
	snprintf(site->ready, sizeof(site->ready), "%s/ready", site->folder);
	snprintf(site->pin, sizeof(site->pin), GROUND_BPFFS "/%s", name);
	return mkdir(site->folder, 0700) && errno != EEXIST ? -errno : 0;
}

static int config_write(const struct site *site, balancer_config *config, const void *data,
			struct diag *diag)
{
	FILE *file = fopen(site->config, "we");

	if (!file) {
		int err = -errno;

		diag_add(diag, site->config, 0, "cannot be written: %s", strerror(-err));
		return err;
	}
	config(data, file);
	return fclose(file) ? -errno : 0;
}

static int ready_open(const struct site *site)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", site->ready);
	unlink(site->ready);
	if (fd >= 0 && !bind(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* In the child: becomes lbd, or ends. */
static void lbd_become(const struct space *space, const struct site *site)
{
	int log = open(site->log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	char path[PATH_MAX - 8] = "", lbd[PATH_MAX];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (log < 0 || dup2(log, STDERR_FILENO) < 0)
		_exit(1);
	if (readlink("/proc/self/exe", path, sizeof(path) - 1) < 0 ||
	    setns(space->net, CLONE_NEWNET))
		_exit(1);
	snprintf(lbd, sizeof(lbd), "%s/lbd", dirname(path));
	setenv("NOTIFY_SOCKET", site->ready, 1);
	execl(lbd, "lbd", "-c", site->config, "--pin", site->pin, "--socket", site->socket,
	      "--state", site->state, (char *)NULL);
	fprintf(stderr, "%s: %s\n", lbd, strerror(errno));
	_exit(1);
}

/* True once lbd has said so; false when it ended, or the time is over. */
static bool ready_wait(int fd, pid_t pid)
{
	struct pollfd event = { .fd = fd, .events = POLLIN };
	char text[256];

	for (int waited = 0; waited < READY_MS; waited += 100) {
		ssize_t size = poll(&event, 1, 100) == 1 ? recv(fd, text, sizeof(text) - 1, 0) : 0;

		if (size > 0) {
			text[size] = '\0';
			if (strstr(text, "READY=1"))
				return true;
		}
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return false;
	}
	return false;
}

static void log_tell(const struct site *site, struct diag *diag)
{
	FILE *file = fopen(site->log, "re");
	char line[512];

	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		diag_add(diag, NULL, 0, "lbd: %s", line);
	}
	if (file)
		fclose(file);
}

int balancer_start_in(const struct space *space, const char *name, balancer_config *config,
		      const void *data, struct balancer *ret_balancer, struct diag *diag)
{
	struct balancer balancer;
	struct site site;
	int ready, err = site_make(name, &site);

	if (!err && config)
		err = config_write(&site, config, data, diag);
	if (err)
		return err;
	ready = ready_open(&site);
	balancer.pid = ready < 0 ? -1 : fork();
	if (!balancer.pid)
		lbd_become(space, &site);
	if (balancer.pid < 0 || !ready_wait(ready, balancer.pid)) {
		diag_add(diag, NULL, 0, "lbd did not get ready");
		log_tell(&site, diag);
		err = -ECHILD;
		balancer_stop(&balancer);
	} else {
		*ret_balancer = balancer;
	}
	if (ready >= 0)
		close(ready);
	return err;
}

static void flood_config_write(const void *data, FILE *to)
{
	scenario_config_write(data, to);
}

int balancer_start(const struct ground *ground, struct balancer *ret_balancer, struct diag *diag)
{
	static const struct scenario_config config = {
		.fronts = { "front", "link" },
		.interface = { [CONFIG_NAT] = "inside", [CONFIG_DSR] = "link",
			       [CONFIG_IPIP] = "link", [CONFIG_GUE] = "link" },
		.forward = { true, true, true, true },
	};

	return balancer_start_in(&ground->edge, "bench", flood_config_write, &config,
				 ret_balancer, diag);
}

void balancer_stop(struct balancer *balancer)
{
	if (balancer->pid <= 0)
		return;
	kill(balancer->pid, SIGKILL);
	waitpid(balancer->pid, NULL, 0);
	balancer->pid = 0;
}
