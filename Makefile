# sonde: `make` builds build/sonde; `make help` lists the rest. V=1 shows the commands.
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

PREFIX ?= /usr/local
DESTDIR ?=
CC ?= cc
ifeq ($(origin CC),default)
CC := gcc
endif
CLANG ?= $(firstword $(foreach v,14 15 16 17 18 19 20 21,$(shell command -v clang-$(v))) clang)
# Ubuntu's /usr/sbin/bpftool is a wrapper that wants the running kernel's own package: take any real one.
BPFTOOL ?= $(firstword $(wildcard /usr/lib/linux-tools/*/bpftool) $(shell command -v bpftool) $(wildcard /usr/sbin/bpftool) bpftool)
PKG_CONFIG ?= pkg-config

VERSION := $(shell cat VERSION)
MACHINE := $(shell uname -m)
ARCH := $(if $(filter aarch64,$(MACHINE)),arm64,$(MACHINE))
BPF_ARCH := $(if $(filter x86_64,$(ARCH)),x86,$(ARCH))
B ?= build

LIBS := libbpf libcurl libmicrohttpd yaml-0.1 zlib libelf
WARN := -Wall -Wextra -Wmissing-prototypes -Wstrict-prototypes
CPPFLAGS += -D_GNU_SOURCE -DSONDE_VERSION='"$(VERSION)"' -Iuser -I. -I$B
CFLAGS ?= -O2 -g
ALL_CFLAGS := -std=gnu11 $(WARN) $(CFLAGS) $(SANITIZE) -fno-omit-frame-pointer $(shell $(PKG_CONFIG) --cflags $(LIBS) 2>/dev/null)
LDLIBS += $(shell $(PKG_CONFIG) --libs $(LIBS) 2>/dev/null) -lpthread -lm
BPF_CFLAGS := -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Wno-unused-parameter -Wno-address-of-packed-member \
	-D__TARGET_ARCH_$(BPF_ARCH) -Ivmlinux/$(ARCH) -Ibpf -I.

ROOMS := base capture stream proto span metrics export console web discover config
SRC := $(foreach r,$(ROOMS),$(wildcard user/$r/*.c))
TOP := $(wildcard user/*.c)
OBJ := $(SRC:%.c=$B/%.o)
TOP_OBJ := $(TOP:%.c=$B/%.o)
BPF_SRC := $(wildcard bpf/*.bpf.c)
BPF_OBJ := $(BPF_SRC:%.bpf.c=$B/%.bpf.o)
SKEL := $B/skel/sonde.skel.h
UNIT := $(patsubst tests/unit/%.c,$B/unit/%,$(wildcard tests/unit/test_*.c))
BENCH := $(patsubst tests/bench/%.c,$B/bench/%,$(wildcard tests/bench/bench_*.c))
BPF_TEST := $(patsubst tests/bpf/%.c,$B/bpf-tests/%,$(wildcard tests/bpf/test_*.c))
FUZZ := $(patsubst tests/fuzz/%.c,$B/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' '$1' '$2')

.PHONY: all help test demo bench micro-bench fuzz install uninstall clean unit bpf-test check-layers
all: $B/sonde

help:
	@sed -n 's/^## //p' Makefile

## make              build build/sonde
## sudo make demo    set up, build, run real services and watch them
## sudo make test    set up, build, run every test
## sudo make bench   what sonde costs, against a run without it
## make micro-bench  only what user space costs (no root)
## make fuzz         fuzz every parser (FUZZ_SECONDS each, default 60)
## sudo make bpf-test  the BPF programs on this kernel
## make unit         unit tests only (no root; SANITIZE=-fsanitize=address,undefined B=build/asan)
## make install      PREFIX=/usr/local DESTDIR=; make uninstall removes it
## make clean        remove build/

$B/sonde: $(TOP_OBJ) $B/libsonde.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@.debug $^ $(LDLIBS)
	$(Q)strip -o $@ $@.debug

$B/libsonde.a: $(OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar qcs $@ $^

$(filter $B/user/capture/%,$(OBJ)): | $(SKEL)
$B/%.o: %.c Makefile VERSION
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$B/bpf/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h) vmlinux/$(ARCH)/vmlinux.h Makefile
	$(call say,BPF,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c -o $@ $<

$B/bpf/sonde.bpf.o: $(filter-out $B/bpf/sonde.bpf.o,$(BPF_OBJ))
	$(call say,LINKBPF,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(SKEL): $B/bpf/sonde.bpf.o
	$(call say,SKEL,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen skeleton $< name sonde_bpf >$@

$B/unit/%: tests/unit/%.c $B/libsonde.a
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Itests/unit $(ALL_CFLAGS) -MMD -MP -o $@ $< $B/libsonde.a -lcmocka $(LDLIBS)

unit: $(UNIT)
	$(Q)scripts/run-unit $(UNIT)

$B/bpf-tests/%: tests/bpf/%.c $B/libsonde.a
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Itests/unit $(ALL_CFLAGS) -MMD -MP -o $@ $< $B/libsonde.a -lcmocka $(shell $(PKG_CONFIG) --libs liburing) $(LDLIBS)

# Loads the real programs into this kernel: needs root.
bpf-test: $(BPF_TEST)
	$(Q)scripts/run-unit $(BPF_TEST)

$B/bench/%: tests/bench/%.c $B/user/pipeline.o $B/libsonde.a
	$(call say,BENCH,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -o $@ $< $B/user/pipeline.o $B/libsonde.a $(LDLIBS)

# Fuzz targets need clang's instrumentation, so the rooms that they reach are built a second time.
FUZZ_SRC := $(foreach r,base stream proto span config discover,$(wildcard user/$r/*.c)) user/export/target.c
FUZZ_OBJ := $(FUZZ_SRC:%.c=$B/fuzz/%.o)
FUZZ_FLAGS := -std=gnu11 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined

$B/fuzz/user/%.o: user/%.c Makefile
	$(call say,FUZZCC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(CPPFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

$B/fuzz/libsonde.a: $(FUZZ_OBJ)
	$(Q)rm -f $@ && ar qcs $@ $^

$B/fuzz/%: tests/fuzz/%.c $B/fuzz/libsonde.a
	$(call say,FUZZ,$@)
	$(Q)$(CLANG) $(CPPFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer -MMD -MP -o $@ $< $B/fuzz/libsonde.a \
		$(shell $(PKG_CONFIG) --libs yaml-0.1 zlib) -lm

fuzz: $(FUZZ)
	$(Q)scripts/run-fuzz $(or $(FUZZ_SECONDS),60) $(FUZZ)

check-layers:
	$(Q)scripts/check-layers

test:
	$(Q)scripts/setup test
	$(Q)scripts/test

demo:
	$(Q)scripts/setup demo
	$(Q)$(MAKE) --no-print-directory all
	$(Q)scripts/demo

bench:
	$(Q)scripts/setup test
	$(Q)$(MAKE) --no-print-directory all $(BENCH) $B/bench/load
	$(Q)scripts/bench

micro-bench: $(BENCH)
	$(Q)for b in $(BENCH); do $$b || exit; done

install: all $B/sonde.8
	install -D -m 755 $B/sonde $(DESTDIR)$(PREFIX)/bin/sonde
	install -D -m 644 $B/sonde.8 $(DESTDIR)$(PREFIX)/share/man/man8/sonde.8
	install -D -m 644 deploy/sonde.service $(DESTDIR)$(PREFIX)/lib/systemd/system/sonde.service
	sed -i 's|^ExecStart=/usr/local/|ExecStart=$(PREFIX)/|' $(DESTDIR)$(PREFIX)/lib/systemd/system/sonde.service

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/sonde $(DESTDIR)$(PREFIX)/share/man/man8/sonde.8 \
		$(DESTDIR)$(PREFIX)/lib/systemd/system/sonde.service

$B/sonde.8: $B/sonde
	$(Q)$B/sonde help --man >$@

clean:
	rm -rf $B

-include $(FUZZ_OBJ:.o=.d) $(FUZZ:=.d) $(OBJ:.o=.d) $(TOP_OBJ:.o=.d) $(UNIT:=.d) $(BPF_TEST:=.d) $(BENCH:=.d)
