# SPDX-License-Identifier: GPL-2.0-or-later
# The door of the project: see "make help".

CC	:= gcc
CLANG	:= $(firstword $(shell command -v clang-19 clang 2>/dev/null) clang-19)
BPFTOOL	:= $(firstword $(shell command -v bpftool 2>/dev/null) /usr/sbin/bpftool)
PYTHON	:= /usr/bin/python3
# Whatever stands before it, its last part is "build": sources include "build/lb.skel.h".
BUILD	:= build
V	?= 0
ifeq ($(V),0)
say	= @printf '  %-7s %s\n' $(1) $@;
else
say	=
endif

PACKAGES := libbpf libxdp libnl-3.0 libconfig libevent json-c libcurl libsystemd libnl-route-3.0 ncursesw
WARN	 := -Wall -Wextra -Werror -Wshadow -Wmissing-prototypes -Wstrict-prototypes
CFLAGS	 := -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE -I$(dir $(BUILD)) -I. -Ixdp \
	    $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
LIBS	 := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lpcap
BPFFLAGS := -std=gnu11 -O2 -g -mcpu=v3 -Wall -Wextra -Wno-unused-parameter -Werror --target=bpf \
	    -I/usr/include/$(shell uname -m)-linux-gnu -Ixdp -I. $(BPFEXTRA)

SKELS	 := $(patsubst %.bpf.c,$(BUILD)/%.skel.h,$(notdir $(wildcard xdp/*.bpf.c policy/*.bpf.c)))

COMMON	 := $(wildcard config/*.c lb/model/*.c lb/kernel/*.c lb/watch/*.c) \
	    $(filter-out %.bpf.c,$(wildcard policy/*.c)) \
	    $(filter-out lb/flows/flows%,$(wildcard lb/flows/*.c))
LBD	 := $(wildcard lb/*.c lb/api/*.c lb/flows/flows*.c)
LBCTL	 := $(wildcard lb/ctl/*.c)
object	  = $(1:%.c=$(BUILD)/obj/%.o)

.PHONY: all
all: $(BUILD)/lbd $(BUILD)/lbctl ## both programs, in build/

$(BUILD)/lbd: $(call object,$(LBD)) $(BUILD)/libcommon.a
	$(call say,LINK)$(CC) -o $@ $^ $(LIBS)

$(BUILD)/lbctl: $(call object,$(LBCTL)) $(BUILD)/libcommon.a
	$(call say,LINK)$(CC) -o $@ $^ $(LIBS)

$(BUILD)/libcommon.a: $(call object,$(COMMON))
	$(call say,AR)rm -f $@ && ar rcs $@ $^

$(BUILD)/obj/%.o: %.c | $(SKELS)
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/%.bpf.o: %.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF)$(CLANG) $(BPFFLAGS) -MMD -MP -MF $@.d -MT $@ -c -o $@ $<

$(BUILD)/%.skel.h: $(BUILD)/xdp/%.bpf.o
	$(call say,SKEL)$(BPFTOOL) gen skeleton $< name $*_bpf > $@.new && mv $@.new $@

$(BUILD)/%.skel.h: $(BUILD)/policy/%.bpf.o
	$(call say,SKEL)$(BPFTOOL) gen skeleton $< name $*_bpf > $@.new && mv $@.new $@

.SECONDARY:

# ---- tests ---------------------------------------------------------------------------------------

UNIT	 := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
PROG	 := $(patsubst tests/prog/%.c,$(BUILD)/tests/%,$(wildcard tests/prog/test_*.c))
PROG_O	 := $(call object,$(filter-out tests/prog/test_%.c,$(wildcard tests/prog/*.c)))
PATTERN	 := $(call object,$(wildcard tests/net/pattern/*.c))
REACH	 := $(call object,$(wildcard tests/net/reach/*.c))
TALK	 := $(call object,$(wildcard tests/net/talk/*.c))
MODEL	 := $(patsubst tests/model/%.c,$(BUILD)/tests/%,$(wildcard tests/model/test_*.c))
MODEL_O	 := $(call object,$(filter-out tests/model/test_%.c,$(wildcard tests/model/*.c)))
FUZZ	 := $(BUILD)/tests/test_fuzz
FUZZ_O	 := $(call object,$(wildcard tests/fuzz/*.c))
CTL_O	 := $(call object,$(filter-out lb/ctl/lbctl.c,$(LBCTL)))

$(UNIT): $(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.o $(CTL_O) $(BUILD)/libcommon.a
	@mkdir -p $(@D)
	$(call say,LINK)$(CC) -o $@ $^ $(LIBS) -lcmocka

$(BUILD)/tests/test_events: $(call object,lb/events.c lb/log.c)
$(BUILD)/tests/test_influx: $(call object,$(wildcard lb/influx_*.c))

$(filter-out %/test_flows_grace,$(PROG)): $(BUILD)/tests/%: $(BUILD)/obj/tests/prog/%.o $(PROG_O) \
	$(BUILD)/libcommon.a
	@mkdir -p $(@D)
	$(call say,LINK)$(CC) -o $@ $^ $(LIBS) -lcmocka

# With programs of flows in which one thread can be held.
HELD	 := $(BUILD)/held

$(HELD)/flows.bpf.o: policy/flows.bpf.c tests/prog/held.bpf.h
	@mkdir -p $(@D)
	$(call say,BPF)$(CLANG) $(BPFFLAGS) -include tests/prog/held.bpf.h -MMD -MP -MF $@.d -MT $@ \
		-c -o $@ $<

$(HELD)/build/flows.skel.h: $(HELD)/flows.bpf.o
	@mkdir -p $(@D)
	$(call say,SKEL)$(BPFTOOL) gen skeleton $< name flows_bpf > $@.new && mv $@.new $@

$(HELD)/flows.o: policy/flows.c $(HELD)/build/flows.skel.h
	$(call say,CC)$(CC) -I$(HELD) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tests/test_flows_grace: $(BUILD)/obj/tests/prog/test_flows_grace.o $(HELD)/flows.o \
	$(PROG_O) $(BUILD)/libcommon.a
	@mkdir -p $(@D)
	$(call say,LINK)$(CC) -o $@ $^ $(LIBS) -lcmocka

$(MODEL): $(BUILD)/tests/%: $(BUILD)/obj/tests/model/%.o $(MODEL_O) $(BUILD)/libcommon.a
	@mkdir -p $(@D)
	$(call say,LINK)$(CC) -o $@ $^ $(LIBS) -lcmocka -lpthread

$(BUILD)/pattern: $(PATTERN)
	$(call say,LINK)$(CC) -o $@ $^

# Runs in containers that have nothing but it.
$(BUILD)/reach: $(REACH)
	$(call say,LINK)$(CC) -static -o $@ $^

$(BUILD)/talk: $(TALK)
	$(call say,LINK)$(CC) -static -o $@ $^ -lpthread

$(BUILD)/newcomer: $(call object,tests/net/newcomer.c)
	$(call say,LINK)$(CC) -static -o $@ $^

$(BUILD)/points: $(call object,tests/net/points.c $(wildcard lb/influx*.c) lb/events.c lb/log.c) \
	$(BUILD)/libcommon.a
	$(call say,LINK)$(CC) -o $@ $^ $(LIBS)

$(FUZZ): $(FUZZ_O) $(PROG_O) $(BUILD)/libcommon.a
	@mkdir -p $(@D)
	$(call say,LINK)$(CC) -o $@ $^ $(LIBS) -lcmocka

.PHONY: packages tests test fuzz
packages: ## the Debian packages that building and testing need (apt-get, as root)
	@tests/packages

# The same lbd with other programs over the same tables: for the tests of upgrade and downgrade.
OTHER	 := $(BUILD)/other/build

.PHONY: other
other:
	@$(MAKE) --no-print-directory BUILD=$(OTHER) BPFEXTRA="-include tests/net/other.bpf.h" \
		$(OTHER)/lbd

tests: all other $(UNIT) $(PROG) $(MODEL) $(FUZZ) $(BUILD)/pattern $(BUILD)/reach \
	$(BUILD)/newcomer $(BUILD)/talk $(BUILD)/points $(BUILD)/lb-bench

test: packages ## everything: units, programs, networks, the 6.1 kernel; as root
	@$(MAKE) --no-print-directory -j2 tests
	@$(PYTHON) tests/run $(BUILD)/tests

# A million packets take some minutes; another FUZZ_SEED is another million.
fuzz: packages ## a million mutated packets through both programs, each one judged; as root
	@$(MAKE) --no-print-directory -j2 $(FUZZ)
	@FUZZ_PACKETS=$${FUZZ_PACKETS:-1000000} FUZZ_SECONDS=$${FUZZ_SECONDS:-3600} $(FUZZ)

# ---- the bench -----------------------------------------------------------------------------------

BENCH_O	 := $(call object,$(filter-out %.bpf.c,$(wildcard bench/*.c)))

BENCH_S	 := $(patsubst bench/%.bpf.c,$(BUILD)/bench/%.skel.h,$(wildcard bench/*.bpf.c)) \
	    $(BUILD)/bench/lb_lru.skel.h

$(BENCH_O): | $(BENCH_S)

# lb itself, with another way to keep its records.
$(BUILD)/bench/lb_lru.bpf.o: xdp/lb.bpf.c bench/lb_lru.bpf.h
	@mkdir -p $(@D)
	$(call say,BPF)$(CLANG) $(BPFFLAGS) -include bench/lb_lru.bpf.h -MMD -MP -MF $@.d -MT $@ \
		-c -o $@ $<

$(BUILD)/bench/%.skel.h: $(BUILD)/bench/%.bpf.o
	$(call say,SKEL)$(BPFTOOL) gen skeleton $< name $*_bpf > $@.new && mv $@.new $@

$(BUILD)/lb-bench: $(BENCH_O) $(BUILD)/libcommon.a
	$(call say,LINK)$(CC) -o $@ $^ $(LIBS) -lm

.PHONY: bench bench-full
bench: packages ## what the data plane costs, beside the least that any program could; as root
	@$(MAKE) --no-print-directory -j2 $(BUILD)/lb-bench $(BUILD)/lbd $(BUILD)/lbctl
	@$(BUILD)/lb-bench

bench-full: packages ## the whole matrix, with plots in build/ and bench/RESULTS.md; as root
	@$(MAKE) --no-print-directory -j2 $(BUILD)/lb-bench $(BUILD)/lbd $(BUILD)/lbctl
	@$(BUILD)/lb-bench --full --out $(BUILD)/bench.json >$(BUILD)/bench.txt
	@cat $(BUILD)/bench.txt
	@bench/plot $(BUILD)/bench.json
	@bench/results $(BUILD)/bench.txt $(BUILD)/bench.json bench/RESULTS.md

# ---- the rest of the door ------------------------------------------------------------------------

.PHONY: demo lint format docs clean help
demo: packages ## two minutes: an edge host with three containers, and what an operator sees
	@$(MAKE) --no-print-directory -j2 all
	@tests/demo

lint: $(SKELS) ## clang-tidy, shellcheck, the arrows of the layout, sizes; see tests/lint
	@tests/lint $(filter -std=% -D% -I%,$(CFLAGS))

format: ## our C as .clang-format says; look at the diff before you keep it
	clang-format-19 -i $(shell find config lb xdp policy bench tests -name '*.[ch]' 2>/dev/null)

docs: $(BUILD)/tests/test_docs ## the tables in docs/ that the program itself writes
	@$< --write

clean:
	rm -rf $(BUILD)

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
