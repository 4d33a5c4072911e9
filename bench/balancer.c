/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lbd's life: its config, its start up to READY=1, its end. */
#include "bench/balancer.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/scenario.h"

#define CONFIG	 GROUND_DIR "/lb.conf"
#define LOG	 GROUND_DIR "/lbd.log"
#define READY	 GROUND_DIR "/ready"	/* where lbd tells systemd that it is ready */
#define READY_MS 15000

static int config_write(struct diag *diag)
{
	const struct scenario_config config = {
		.fronts = { "front", "link" },
		.interface = { [CONFIG_NAT] = "inside", [CONFIG_DSR] = "link",
			       [CONFIG_IPIP] = "link", [CONFIG_GUE] = "link" },
		.forward = { true, true, true, true },
	};
	FILE *file = fopen(CONFIG, "we");

	if (!file) {
		int err = -errno;

		diag_add(diag, CONFIG, 0, "cannot be written: %s", strerror(-err));
		return err;
	}
	scenario_config_write(&config, file);
	return fclose(file) ? -errno : 0;
}

static int ready_open(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = READY };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	unlink(READY);
	if (fd >= 0 && !bind(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* In the child: becomes lbd, or ends. */
static void lbd_become(const struct ground *ground)
{
	int log = open(LOG, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	char path[PATH_MAX - 8] = "", lbd[PATH_MAX];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (log < 0 || dup2(log, STDERR_FILENO) < 0)
		_exit(1);
	if (readlink("/proc/self/exe", path, sizeof(path) - 1) < 0 || ground_enter_edge(ground))
		_exit(1);
	snprintf(lbd, sizeof(lbd), "%s/lbd", dirname(path));
	setenv("NOTIFY_SOCKET", READY, 1);
	execl(lbd, "lbd", "-c", CONFIG, "--pin", GROUND_BPFFS "/bench", "--socket",
	      GROUND_DIR "/lbd.sock", "--state", GROUND_DIR "/state", (char *)NULL);
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

static void log_tell(struct diag *diag)
{
	FILE *file = fopen(LOG, "re");
	char line[512];

	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		diag_add(diag, NULL, 0, "lbd: %s", line);
	}
	if (file)
		fclose(file);
}

int balancer_start(const struct ground *ground, struct balancer *ret_balancer, struct diag *diag)
{
	struct balancer balancer;
	int ready, err = config_write(diag);

	if (err)
		return err;
	ready = ready_open();
	balancer.pid = ready < 0 ? -1 : fork();
	if (!balancer.pid)
		lbd_become(ground);
	if (balancer.pid < 0 || !ready_wait(ready, balancer.pid)) {
		diag_add(diag, NULL, 0, "lbd did not get ready");
		log_tell(diag);
		err = -ECHILD;
		balancer_stop(&balancer);
	} else {
		*ret_balancer = balancer;
	}
	if (ready >= 0)
		close(ready);
	return err;
}

void balancer_stop(struct balancer *balancer)
{
	if (balancer->pid <= 0)
		return;
	kill(balancer->pid, SIGKILL);
	waitpid(balancer->pid, NULL, 0);
	balancer->pid = 0;
}
