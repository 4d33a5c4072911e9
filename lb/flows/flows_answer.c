/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All flows that a filter lets through, a few at a time. What there was at the beginning is told,
 * with the figures of the moment in which its turn comes; a flow that has ended by then is not, but
 * is among those that ended for the next question. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config/mem.h"
#include "lb/flows/flows_private.h"

#define PART_ROWS 256	/* that are looked at: some milliseconds */

struct flows_answer {
	struct flows *flows;
	unsigned int age;	/* of them; another one: what is yet to come is gone */
	struct flow_filter filter;
	char *container, *peer;	/* what it points to */
	uint64_t from_ns;
	uint64_t ended, ended_end; /* of those that ended the next one and the last, in the order in
				    * which they came */
	struct beginning {
		uint64_t start_ns;
		uint32_t number;
	} *records;		/* of those that have a record, in the order of their starts */
	size_t record, record_count;
	bool begun, told;	/* the text; a row of it */
};

static int compare_beginnings(const void *a, const void *b)
{
	const struct beginning *one = a, *other = b;

	if (one->start_ns != other->start_ns)
		return one->start_ns < other->start_ns ? -1 : 1;
	return one->number < other->number ? -1 : one->number > other->number;
}

/* Those that have just ended and are not harvested yet, too. */
static void records_find(struct flows_answer *answer)
{
	const struct flows *flows = answer->flows;

	answer->records = mem_array(flows->record_count, sizeof(*answer->records));
	for (size_t i = 0; i < flows->record_count; i++) {
		const struct flow *flow = &flows->records[i].flow;

		if (flow->life == FLOW_LIVE ||
		    (flow->life == FLOW_ENDED && answer->filter.since_s))
			answer->records[answer->record_count++] =
				(struct beginning){ flow->start_ns, (uint32_t)i };
	}
	qsort(answer->records, answer->record_count, sizeof(*answer->records), compare_beginnings);
}

struct flows_answer *flows_answer_begin(struct flows *flows, const struct flow_filter *filter)
{
	struct flows_answer *answer;

	if (!flows->kernel)
		return NULL;
	flows_sample(flows);
	answer = mem_array(1, sizeof(*answer));
	answer->flows = flows;
	answer->age = flows->age;
	answer->container = filter->container ? mem_text(filter->container) : NULL;
	answer->peer = filter->peer ? mem_text(filter->peer) : NULL;
	answer->filter = (struct flow_filter){ answer->container, answer->peer, filter->port,
					       filter->since_s };
	answer->ended = answer->ended_end = flows->ended.count;
	if (filter->since_s) {
		answer->from_ns = flows_ns_before(filter->since_s);
		answer->ended -= ended_kept(&flows->ended);
	}
	records_find(answer);
	return answer;
}

static void row_tell(struct flows_answer *answer, const struct flow_row *row, FILE *to)
{
	struct json_object *object;

	if (!row_matches(row, &answer->filter))
		return;
	object = row_json(row);
	fprintf(to, "%s%s", answer->told ? "," : "",
		json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
	json_object_put(object);
	answer->told = true;
}

/* One that made room meanwhile for a younger one is forgotten. */
static void ended_tell(struct flows_answer *answer, FILE *to)
{
	const struct ended *ended = &answer->flows->ended;
	uint64_t oldest = ended->count - ended_kept(ended), number = answer->ended++;
	const struct flow_row *row;

	if (number < oldest)
		return;
	row = ended_at(ended, (size_t)(number - oldest));
	if (row->flow.end_ns >= answer->from_ns)
		row_tell(answer, row, to);
}

static void record_tell(struct flows_answer *answer, FILE *to)
{
	const struct beginning *beginning = &answer->records[answer->record++];
	struct flow copy = answer->flows->records[beginning->number].flow;
	struct row_room room;
	struct flow_row row;

	if (copy.start_ns != beginning->start_ns ||
	    (copy.life != FLOW_LIVE && (copy.life != FLOW_ENDED || !answer->filter.since_s)))
		return;
	if (copy.life == FLOW_LIVE) { /* it may be ending while it is copied */
		copy.outcome = FLOW_RUNS;
		copy.end_ns = 0;
	}
	row = row_make(answer->flows, beginning->number, &copy, &room);
	row_tell(answer, &row, to);
}

static void end_tell(const struct flows_answer *answer, FILE *to)
{
	const struct flows *flows = answer->flows;
	struct json_object *other = flows->kernel ? flows_other_json(flows) : NULL;

	fprintf(to, "],\"other\":%s,\"forgotten\":%" PRIu64 "}",
		json_object_to_json_string_ext(other, JSON_C_TO_STRING_PLAIN),
		flows->ended.forgotten);
	json_object_put(other);
}

bool flows_answer_part(struct flows_answer *answer, FILE *to)
{
	if (!answer->begun)
		fputs("{\"flows\":[", to);
	answer->begun = true;
	for (int rows = 0; answer->age == answer->flows->age && rows < PART_ROWS; rows++) {
		if (answer->ended < answer->ended_end)
			ended_tell(answer, to);
		else if (answer->record < answer->record_count)
			record_tell(answer, to);
		else
			break;
	}
	if (answer->age == answer->flows->age &&
	    (answer->ended < answer->ended_end || answer->record < answer->record_count))
		return true;
	end_tell(answer, to);
	return false;
}

void flows_answer_free(struct flows_answer *answer)
{
	if (!answer)
		return;
	free(answer->container);
	free(answer->peer);
	free(answer->records);
	free(answer);
}
