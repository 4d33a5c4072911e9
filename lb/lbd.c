/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lbd: makes the parts and runs the loop. Everything that happens afterwards is an event: a
 * signal, a message of the kernel, a request. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

#include "lb/api/api.h"
#include "lb/isolation.h"
#include "lb/log.h"
#include "lb/manager.h"
#include "lb/version.h"
#include "lb/watch/netlink.h"

#define BURST_USEC    20000 /* changes of the network come in bursts */
#define RESYNC_SEC    30    /* against what no message told */

static const char help_text[] =
	"Usage: lbd [-c lb.conf] [--pin DIR] [--socket PATH] [--state DIR] [--log-level LEVEL]\n"
	"\n"
	"  -c, --config FILE   the config (/etc/edgelb/lb.conf)\n"
	"  --pin DIR           where the tables are pinned (/sys/fs/bpf/edgelb)\n"
	"  --socket PATH       where lbctl finds the daemon (/run/edgelb/lbd.sock)\n"
	"  --state DIR         overrides and the hash seed (/var/lib/edgelb)\n"
	"  --log-level LEVEL   error, warning, notice, info or debug (notice)\n"
	"  --version, --help\n"
	"\n"
	"SIGHUP reads the config again. SIGTERM ends the daemon; balancing goes on\n"
	"until \"lbctl unload\".\n";

/* ---- trouble that stays ---------------------------------------------------------------------- */

/* The same trouble at every event is told once. */
static void trouble_tell(struct manager *manager, const struct diag *diag)
{
	const char *before = manager->trouble ? manager->trouble : "";
	char *text = diag_text(diag);

	if (strcmp(before, text) != 0) {
		log_diag(LOG_WARNING, diag);
		trouble_add_event(manager, EVENT_DAEMON, "lbd", "ready", *before, diag);
	}
	free(manager->trouble);
	manager->trouble = text;
}

/* ---- events --------------------------------------------------------------------------------- */

static void reconcile(struct manager *manager)
{
	_cleanup_diag_ struct diag diag = { 0 };

	if (manager->unloaded)
		return;
	if (manager_reconcile(manager, &diag))
		log_error("the tables are not up to date; they stay as they were");
	trouble_tell(manager, &diag);
}

void manager_wake(struct manager *manager)
{
	struct timeval soon = { .tv_usec = BURST_USEC };

	if (manager->burst_timer && !evtimer_pending(manager->burst_timer, NULL))
		evtimer_add(manager->burst_timer, &soon);
}

static void on_settled(evutil_socket_t fd, short what, void *data)
{
	(void)fd, (void)what;
	reconcile(data);
}

/* Slots settle, and what time alone changes (the end of a drain, a slow start) is planned. */
static void on_second(evutil_socket_t fd, short what, void *data)
{
	struct manager *manager = data;

	(void)fd, (void)what;
	if (!manager->unloaded)
		manager_settle(manager);
}

static void on_resync(evutil_socket_t fd, short what, void *data)
{
	(void)fd, (void)what;
	manager_recheck(data);
	isolation_recheck(((struct manager *)data)->isolation);
	reconcile(data);
}

static void on_net(evutil_socket_t fd, short what, void *data)
{
	struct manager *manager = data;

	(void)fd, (void)what;
	if (net_drain(manager->net))
		manager_wake(manager);
}

static void on_hangup(evutil_socket_t fd, short what, void *data)
{
	const struct reload reload = { 0 };
	_cleanup_diag_ struct diag diag = { 0 };

	(void)fd, (void)what;
	if (!manager_reload(data, &reload, NULL, NULL, &diag))
		return;
	log_diag(LOG_ERR, &diag);
	log_warning("SIGHUP: reload refused, the running config stays");
}

static void on_end(evutil_socket_t fd, short what, void *data)
{
	struct manager *manager = data;

	(void)fd, (void)what;
	event_base_loopbreak(manager->loop);
}

static int sources_add(struct manager *manager)
{
	struct timeval resync = { .tv_sec = RESYNC_SEC }, second = { .tv_sec = 1 };
	static const int ends[] = { SIGTERM, SIGINT };
	struct event *signal_event;

	manager->burst_timer = evtimer_new(manager->loop, on_settled, manager);
	manager->net_event = event_new(manager->loop, net_fd(manager->net), EV_READ | EV_PERSIST,
				       on_net, manager);
	manager->resync_timer = event_new(manager->loop, -1, EV_PERSIST, on_resync, manager);
	manager->motion_timer = event_new(manager->loop, -1, EV_PERSIST, on_second, manager);
	if (!manager->burst_timer || !manager->net_event || !manager->resync_timer ||
	    !manager->motion_timer)
		return -ENOMEM;
	event_add(manager->motion_timer, &second);
	event_add(manager->net_event, NULL);
	event_add(manager->resync_timer, &resync);
	for (int i = 0; i < 2; i++) {
		signal_event = evsignal_new(manager->loop, ends[i], on_end, manager);
		event_add(signal_event, NULL);
	}
	signal_event = evsignal_new(manager->loop, SIGHUP, on_hangup, manager);
	event_add(signal_event, NULL);
	return 0;
}

/* ---- main ----------------------------------------------------------------------------------- */

static int on_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	char text[4096];

	vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = '\0';
	log_line(LOG_DEBUG, "libbpf: %s", text);
	(void)level;
	return 0;
}

static int on_libxdp(enum libxdp_print_level level, const char *format, va_list args)
{
	(void)level;
	return on_libbpf(LIBBPF_DEBUG, format, args);
}

static int usage_error(const char *text, const char *what)
{
	fprintf(stderr, "lbd: %s%s; see lbd --help\n", text, what);
	return 2;
}

static int options_read(int argc, char **argv, struct options *options)
{
	enum { PIN = 256, SOCKET, STATE, LOG_LEVEL, VERSION, HELP };
	static const struct option long_options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "pin", required_argument, NULL, PIN },
		{ "socket", required_argument, NULL, SOCKET },
		{ "state", required_argument, NULL, STATE },
		{ "log-level", required_argument, NULL, LOG_LEVEL },
		{ "version", no_argument, NULL, VERSION },
		{ "help", no_argument, NULL, HELP },
		{ 0 },
	};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1)
		switch (option) {
		case 'c':
			options->config = optarg;
			break;
		case PIN:
			options->pin = optarg;
			break;
		case SOCKET:
			options->socket = optarg;
			break;
		case STATE:
			options->state = optarg;
			break;
		case LOG_LEVEL:
			if (log_level_parse(optarg) < 0)
				return usage_error("there is no log level ", optarg);
			log_level_set(log_level_parse(optarg));
			break;
		case VERSION:
			puts("lbd " LB_VERSION);
			exit(0);
		case HELP:
		case 'h':
			fputs(help_text, stdout);
			exit(0);
		default:
			return usage_error("option not known, or without its value: ",
					   argv[optind - 1]);
		}
	if (optind < argc)
		return usage_error("no arguments are taken: ", argv[optind]);
	return 0;
}

/* The log has sentences of its own for these. */
static void life_add_event(struct manager *manager, const char *from, const char *to,
			   const char *cause)
{
	events_add(manager->events, &(struct change){ .kind = EVENT_DAEMON, .object = "lbd",
						      .from = from, .to = to, .cause = cause });
}

/* Every check holds a descriptor while it runs: the soft limit of 1024 is for programs that use
 * select(2). */
static void descriptors_allow(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int run(struct manager *manager)
{
	_cleanup_diag_ struct diag diag = { 0 };
	struct api *api;
	int err = sources_add(manager);

	if (!err)
		err = api_open(manager, &api, &diag);
	if (err) {
		log_diag(LOG_ERR, &diag);
		return 1;
	}
	sd_notify(0, "READY=1");
	log_notice("ready: pins %s, socket %s", manager->pin, manager->socket);
	life_add_event(manager, "starting", "ready", NULL);
	event_base_dispatch(manager->loop);
	sd_notify(0, "STOPPING=1");
	life_add_event(manager, "ready", manager->unloaded ? "unloaded" : "stopped",
		       manager->unloaded ? "nothing is balanced any more"
					 : "balancing goes on with the last tables and health "
					   "frozen");
	api_close(api);
	if (manager->unloaded)
		log_notice("unloaded: nothing is balanced any more");
	else
		log_notice("stopped: balancing goes on with the last tables and health frozen; "
			   "\"lbctl --pin %s unload\" takes it away", manager->pin);
	return 0;
}

int main(int argc, char **argv)
{
	struct options options = { .config = "/etc/edgelb/lb.conf", .state = "/var/lib/edgelb" };
	_cleanup_diag_ struct diag diag = { 0 };
	struct event_base *loop;
	struct manager *manager;
	int status = options_read(argc, argv, &options);

	if (status)
		return status;
	signal(SIGPIPE, SIG_IGN);
	descriptors_allow();
	setvbuf(stderr, NULL, _IOLBF, 0);
	libbpf_set_print(on_libbpf);
	libxdp_set_print(on_libxdp);
	if (geteuid()) {
		log_error("must be started as root");
		return 1;
	}
	loop = event_base_new();
	if (!loop || manager_start(&options, loop, &manager, &diag)) {
		log_diag(LOG_ERR, &diag);
		return 1;
	}
	log_diag(LOG_WARNING, &diag);
	status = run(manager);
	manager_stop(manager);
	return status;
}
