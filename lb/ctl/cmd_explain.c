/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lbctl explain: one made-up packet through private copies of the programs, over the live tables,
 * and every step of its walk in words. Nothing changes by it: no counter, no record, no clock. */
#include <errno.h>
#include <json-c/json.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lb/ctl/ctl.h"
#include "lb/ctl/explain_steps.h"
#include "lb/ctl/frame_text.h"
#include "lb/ctl/made_up.h"
#include "lb/ctl/result_json.h"
#include "lb/kernel/replay.h"

struct walk {
	struct made_up made_up;
	const char *interface; /* by which it comes in; "": not known */
	char front[IF_NAMESIZE];
	bool reply; /* through lb_reply */
	struct replay *replay;
	uint8_t frame[MADE_UP_MAX], out[REPLAY_OUT_MAX];
	size_t size, out_size;
	struct replay_result result;
	struct explanation explanation;
};

/* ---- running -------------------------------------------------------------------------------- */

static void mac_of(const char *interface, uint8_t mac[6])
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { 0 };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	if (sock >= 0 && !ioctl(sock, SIOCGIFHWADDR, &request))
		memcpy(mac, request.ifr_hwaddr.sa_data, 6);
	if (sock >= 0)
		close(sock);
}

/* The front interface decides whether a packet leaves by the port it came in. */
static int interface_choose(struct walk *walk, struct diag *diag)
{
	unsigned int ifindex = explain_front(walk->replay);

	if (walk->interface) {
		ifindex = if_nametoindex(walk->interface);
		if (!ifindex) {
			diag_add(diag, NULL, 0, "there is no interface %s", walk->interface);
			return -ENODEV;
		}
	}
	walk->interface = ifindex ? if_indextoname(ifindex, walk->front) : NULL;
	if (!walk->interface)
		return 0;
	replay_come_in(walk->replay, ifindex);
	mac_of(walk->interface, walk->made_up.dst_mac);
	return 0;
}

static int program_run(struct walk *walk)
{
	return replay_run(walk->replay, walk->reply, walk->frame, walk->size, walk->out,
			  &walk->out_size, &walk->result);
}

static int packet_run(struct walk *walk, struct diag *diag)
{
	int err;

	walk->size = made_up_write(&walk->made_up, walk->frame);
	err = program_run(walk);
	if (err == -ENODEV) {
		fprintf(stderr,
			"the kernel cannot make a packet come in by %s; what would go back by it "
			"is shown as redirected\n",
			walk->interface);
		replay_come_in(walk->replay, 0);
		err = program_run(walk);
	}
	/* A container's reply never meets lb. */
	if (!err && !walk->reply && walk->result.verdict == LB_PASS_NOT_SERVICE &&
	    explain_is_reply(walk->replay)) {
		walk->reply = true;
		err = program_run(walk);
	}
	if (err)
		diag_add(diag, NULL, 0, "cannot run the packet: %s", strerror(-err));
	else
		explain(walk->replay, &walk->explanation);
	return err;
}

/* What the stack gets is worth a look only where it is another packet than came. */
static bool leaves(const struct walk *walk)
{
	if (walk->result.action == LB_PASS)
		return walk->out_size != walk->size || memcmp(walk->out, walk->frame, walk->size);
	return walk->result.action != LB_DROP;
}

/* ---- telling -------------------------------------------------------------------------------- */

static void hex_print(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (i % 16 == 0)
			printf("%s          %04zx ", i ? "\n" : "", i);
		printf("%s%02x", i % 8 ? " " : "  ", bytes[i]);
	}
	puts("");
}

static const char *text_of(struct json_object *step, const char *name)
{
	return json_object_get_string(json_object_object_get(step, name));
}

static void print_text(const struct walk *walk, struct json_object *steps, const char *packet,
		       const char *after)
{
	char link[LINK_TEXT_MAX];

	printf("%-10s%s, %zu bytes, through %s%s%s\n", "packet", packet, walk->size,
	       walk->reply ? "lb_reply" : "lb", walk->interface && !walk->reply ? " on " : "",
	       walk->interface && !walk->reply ? walk->interface : "");
	for (size_t i = 0; i < json_object_array_length(steps); i++) {
		struct json_object *step = json_object_array_get_idx(steps, i);
		const char *name = text_of(step, "step");

		printf("%-10s%s\n", strcmp(name, "next_hop") ? name : "next hop",
		       text_of(step, "text"));
	}
	if (!leaves(walk))
		return;
	printf("%-10s%s, %zu bytes\n", "after", after, walk->out_size);
	printf("%-10s%s\n", "", link_text(walk->out, link));
	hex_print(walk->out, walk->out_size);
}

static struct json_object *hex_json(const uint8_t *bytes, size_t size)
{
	char text[2 * REPLAY_OUT_MAX + 1] = "";

	for (size_t i = 0; i < size; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	return json_object_new_string(text);
}

static struct json_object *text_or_null(const char *text)
{
	return text ? json_object_new_string(text) : NULL;
}

/* Takes `steps`. */
static void print_json(const struct walk *walk, struct json_object *steps, const char *packet,
		       const char *after)
{
	struct json_object *reply = json_object_new_object(), *made = json_object_new_object();
	const struct replay_result *result = &walk->result;

	json_object_object_add(made, "text", json_object_new_string(packet));
	json_object_object_add(made, "program",
			       json_object_new_string(walk->reply ? "lb_reply" : "lb"));
	json_object_object_add(made, "interface",
			       text_or_null(walk->reply ? NULL : walk->interface));
	json_object_object_add(made, "hex", hex_json(walk->frame, walk->size));
	json_object_object_add(reply, "packet", made);
	json_object_object_add(reply, "steps", json_object_get(steps));
	result_json_add(reply, result);
	json_object_object_add(reply, "packet_after",
			       leaves(walk) ? hex_json(walk->out, walk->out_size) : NULL);
	json_object_object_add(reply, "packet_after_text",
			       leaves(walk) ? text_or_null(after) : NULL);
	ctl_print_json(reply);
	json_object_put(reply);
}

static void walk_print(const struct ctl *ctl, const struct walk *walk)
{
	struct json_object *steps = explain_steps(&walk->explanation, &walk->result, walk->reply);
	char *packet = frame_text(walk->frame, walk->size);
	char *after = frame_text(walk->out, walk->out_size);

	if (packet && after && ctl->json)
		print_json(walk, steps, packet, after);
	else if (packet && after)
		print_text(walk, steps, packet, after);
	free(packet);
	free(after);
	json_object_put(steps);
}

int cmd_explain(struct ctl *ctl, int argc, char **argv)
{
	_cleanup_diag_ struct diag diag = { 0 };
	struct walk walk = { 0 };
	const char *flags = NULL;
	const struct ctl_option options[] = {
		{ "--flags", .value = &flags },
		{ "--interface", .value = &walk.interface },
		{ "--reply", .flag = &walk.reply },
		{ 0 },
	};
	int error, code = ctl_options(ctl, &argc, argv, options);

	if (code)
		return code;
	if (argc != 4)
		return ctl_usage(ctl, "explain wants a protocol, a source and a destination");
	if (made_up_parse(argv[1], argv[2], argv[3], flags, &walk.made_up, &diag))
		return ctl_usage(ctl, "%s", diag.entries[0].text);
	error = replay_open_pins(ctl->pin, &walk.replay, &diag);
	if (!error)
		error = interface_choose(&walk, &diag);
	if (!error)
		error = packet_run(&walk, &diag);
	if (!error)
		walk_print(ctl, &walk);
	replay_close(walk.replay);
	return error ? ctl_report(ctl, &diag) : CTL_DONE;
}
