/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The questions of lbctl top. The thread has one question at a time and owns nothing else: it waits
 * to be asked, asks the daemon, and lays the answer down. */
#include "lb/ctl/top_poll.h"

#include <errno.h>
#include <json-c/json.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "config/clock.h"
#include "config/mem.h"

/* A daemon that does not tell of containers is one all the same. */
static void containers_ask(const struct client *client, struct top_answer *answer)
{
	_cleanup_diag_ struct diag diag = { 0 };
	int error = client_call(client, "GET", "/v1/containers", NULL, &answer->containers, &diag);

	answer->containers_ns = clock_ns();
	if (error == -EREMOTEIO) {
		answer->refused = mem_text(diag.entries[0].text);
	} else if (error) {
		answer->error = error;
		answer->reason = mem_text(diag.entries[0].text);
	}
}

void top_ask(const struct client *client, bool containers, struct top_answer *ret_answer)
{
	_cleanup_diag_ struct diag diag = { 0 };
	struct top_answer answer = { 0 };

	answer.error = client_call(client, "GET", "/v1/show", NULL, &answer.show, &diag);
	answer.show_ns = clock_ns();
	if (answer.error)
		answer.reason = mem_text(diag.entries[0].text);
	else if (containers)
		containers_ask(client, &answer);
	*ret_answer = answer;
}

void top_answer_clear(struct top_answer *answer)
{
	free(answer->reason);
	free(answer->refused);
	json_object_put(answer->show);
	json_object_put(answer->containers);
	*answer = (struct top_answer){ 0 };
}

void top_answer_take(struct top_answer *answer, struct top *top)
{
	top_take_show(top, answer->show, answer->show_ns);
	if (answer->refused)
		top_refuse_containers(top, answer->refused);
	else if (answer->containers)
		top_take_containers(top, answer->containers, answer->containers_ns);
	top_answer_clear(answer);
}

/* ---- the thread ------------------------------------------------------------------------------ */

struct top_poller {
	struct client client;
	pthread_mutex_t lock;	/* over what follows */
	pthread_cond_t changed;
	bool asked, containers, answered, ending;
	struct top_answer answer;
	bool busy;		/* the asker's own: asked, and not taken yet */
	int fd;
};

static void poller_free(struct top_poller *poller)
{
	top_answer_clear(&poller->answer);
	pthread_cond_destroy(&poller->changed);
	pthread_mutex_destroy(&poller->lock);
	if (poller->fd >= 0)
		close(poller->fd);
	free(poller);
}

/* Who comes last puts the poller away: after top_poller_close() that is the thread. */
static void *poller_run(void *data)
{
	struct top_poller *poller = data;
	struct top_answer answer;

	pthread_mutex_lock(&poller->lock);
	while (!poller->ending) {
		bool containers = poller->containers;

		if (!poller->asked) {
			pthread_cond_wait(&poller->changed, &poller->lock);
			continue;
		}
		poller->asked = false;
		pthread_mutex_unlock(&poller->lock);
		top_ask(&poller->client, containers, &answer);
		pthread_mutex_lock(&poller->lock);
		poller->answer = answer;
		poller->answered = true;
		eventfd_write(poller->fd, 1);
	}
	pthread_mutex_unlock(&poller->lock);
	poller_free(poller);
	return NULL;
}

int top_poller_open(const struct client *client, struct top_poller **ret_poller, struct diag *diag)
{
	struct top_poller *poller = mem_array(1, sizeof(*poller));
	pthread_t thread;
	int error = EMFILE;

	poller->client = *client;
	pthread_mutex_init(&poller->lock, NULL);
	pthread_cond_init(&poller->changed, NULL);
	poller->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (poller->fd >= 0)
		error = pthread_create(&thread, NULL, poller_run, poller);
	if (error) {
		diag_add(diag, NULL, 0, "cannot begin to ask the daemon: %s", strerror(error));
		poller_free(poller);
		return -error;
	}
	pthread_detach(thread);
	*ret_poller = poller;
	return 0;
}

void top_poller_close(struct top_poller *poller)
{
	if (!poller)
		return;
	pthread_mutex_lock(&poller->lock);
	poller->ending = true;
	pthread_cond_signal(&poller->changed);
	pthread_mutex_unlock(&poller->lock);
}

bool top_poller_busy(const struct top_poller *poller)
{
	return poller->busy;
}

void top_poller_ask(struct top_poller *poller, bool containers)
{
	pthread_mutex_lock(&poller->lock);
	poller->asked = true;
	poller->containers = containers;
	poller->busy = true;
	pthread_cond_signal(&poller->changed);
	pthread_mutex_unlock(&poller->lock);
}

int top_poller_fd(const struct top_poller *poller)
{
	return poller->fd;
}

bool top_poller_take(struct top_poller *poller, struct top_answer *ret_answer)
{
	eventfd_t count;
	bool answered;

	pthread_mutex_lock(&poller->lock);
	answered = poller->answered;
	if (answered) {
		*ret_answer = poller->answer;
		poller->answer = (struct top_answer){ 0 };
		poller->answered = false;
		poller->busy = false;
		eventfd_read(poller->fd, &count);
	}
	pthread_mutex_unlock(&poller->lock);
	return answered;
}
