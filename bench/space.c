/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Holders, and what is run beside them. Every child dies with this process: by its parent-death
 * signal, or with the PID namespace of one that does. */
#include "bench/space.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/cpus.h"

int space_silence(void)
{
	int fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);
	int err = fd >= 0 && write(fd, "1", 1) == 1 ? 0 : -errno;

	if (fd >= 0)
		close(fd);
	return err == -ENOENT ? 0 : err; /* a kernel without IPv6 is silent */
}

void space_idle(int ready, void *data)
{
	(void)data;
	if (write(ready, "", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static int holder_start(space_life *life, void *data, pid_t *ret_holder)
{
	int ready[2];
	char byte;
	bool made;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!unshare(CLONE_NEWNET) && !space_silence())
			life(ready[1], data);
		_exit(1);
	}
	close(ready[1]);
	made = pid > 0 && read(ready[0], &byte, 1) == 1;
	close(ready[0]);
	*ret_holder = pid;
	return made ? 0 : -EPERM;
}

int space_make(space_life *life, void *data, struct space *ret_space)
{
	struct space space = { .net = -1 };
	int err = holder_start(life, data, &space.holder);
	char path[64];

	if (!err) {
		snprintf(path, sizeof(path), "/proc/%d/ns/net", space.holder);
		space.net = open(path, O_RDONLY | O_CLOEXEC);
		err = space.net < 0 ? -errno : 0;
	}
	if (err)
		space_unmake(&space);
	else
		*ret_space = space;
	return err;
}

void space_unmake(struct space *space)
{
	if (space->holder <= 0)
		return;
	space_kill(&space->holder);
	if (space->net >= 0)
		close(space->net);
}

/* ---- programs -------------------------------------------------------------------------------- */

/* In a child: the last step, or its end. */
static void become(const struct space *space, const char *const argv[], int output)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	cpus_unbind();
	if (output < 0 || dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0 ||
	    setns(space->net, CLONE_NEWNET))
		_exit(126);
	execvp(argv[0], (char *const *)argv);
	fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

int space_call(const struct space *space, int (*function)(void *data), void *data)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(setns(space->net, CLONE_NEWNET) ? errno : -function(data));
	}
	if (pid < 0)
		return -errno;
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -ECHILD;
	return -WEXITSTATUS(status);
}

int space_run(const struct space *space, const char *script, struct diag *diag)
{
	const char *const argv[] = { "sh", "-ec", script, NULL };
	char said[256] = "";
	int output[2], status = -1;
	ssize_t size;
	pid_t pid;

	if (pipe2(output, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (!pid)
		become(space, argv, output[1]);
	close(output[1]);
	while ((size = read(output[0], said, sizeof(said) - 1)) > 0)
		said[size] = '\0';
	close(output[0]);
	if (pid > 0 && waitpid(pid, &status, 0) == pid && !status)
		return 0;
	said[strcspn(said, "\n")] = '\0';
	diag_add(diag, NULL, 0, "failed: %s: %s", script, said);
	return -EIO;
}

int space_start(const struct space *space, const char *const argv[], const char *log,
		pid_t *ret_pid)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);

	if (!pid)
		become(space, argv, open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
	if (pid < 0)
		return -errno;
	*ret_pid = pid;
	return 0;
}

void space_kill(pid_t *pid)
{
	if (*pid <= 0)
		return;
	kill(*pid, SIGKILL);
	waitpid(*pid, NULL, 0);
	*pid = 0;
}
