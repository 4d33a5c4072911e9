/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What subjects own. */
#include "policy/subject.h"

#include <stdlib.h>

static void subject_clear(struct subject *subject)
{
	for (size_t i = 0; i < subject->label_count; i++)
		free(subject->labels[i]);
	free(subject->labels);
	free(subject->name);
	free(subject->cgroup);
	free(subject->netns);
	free(subject->addresses);
}

void subjects_clear(struct subjects *subjects)
{
	for (size_t i = 0; i < subjects->count; i++)
		subject_clear(&subjects->list[i]);
	free(subjects->list);
	*subjects = (struct subjects){ 0 };
}
