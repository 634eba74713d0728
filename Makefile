# SPDX-License-Identifier: BSD-3-Clause
#
# One Makefile for everything; `make help` lists the targets. Sources are found by directory:
#
#   base/ stack/ preload/ nic/nic.c + lwIP  ->  build/libkbaccel.so   (needs libc only)
#   nic/xdp/ nic/ethtool/                   ->  build/kbaccel-xdp.so  (plugin: libxdp and libbpf inside)
#   nic/verbs/                              ->  build/kbaccel-verbs.so  (plugin: needs libibverbs)
#   tools/ base/ nic/nic.c nic/ethtool/     ->  build/kbaccel
#   tools/capture/ base/                    ->  build/kbaccel-capture  (libpcap)
#   daemon/ nic/xdp/ base/                  ->  build/kbacceld     (libxdp and libbpf inside; libmnl)
#   tests/{unit,netns,conform,apps,fuzz,bench}/*.c -> build/tests/DIR/NAME, one program for each file
#   tests/fake-verbs/                       ->  build/tests/fake-verbs/{libibverbs.so.1,fake_hca}
#
# A test's own flags stand in tests/DIR/flags.mk as CFLAGS_NAME, LDLIBS_NAME. V=1 shows the commands.

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
BINDIR ?= $(PREFIX)/bin
DOCDIR ?= $(PREFIX)/share/doc/kbaccel
MANDIR ?= $(PREFIX)/share/man
SBINDIR ?= $(PREFIX)/sbin
SYSCONFDIR ?= /etc
UNITDIR ?= $(PREFIX)/lib/systemd/system
BUILD ?= build
SAN ?=
LTO ?= $(if $(SAN),,-flto=auto)
CC = gcc
CLANG ?= clang
BPFTOOL ?= bpftool
JOBS ?= $(shell nproc)
VERSION := $(shell cat VERSION 2>/dev/null || git describe --tags --always 2>/dev/null || echo unknown)
LWIP := deps/lwip/src

# bpftool is in /usr/sbin, which users' PATH lacks.
export PATH := $(PATH):/usr/sbin:/sbin

V ?= 0
Q := $(if $(filter 1,$V),,@)
say = $(if $(filter 1,$V),@:,@printf '  %-7s %s\n' $1 $(patsubst $(BUILD)/%,%,$2))

# --- flags -----------------------------------------------------------------------------------------------------

WARN := -Wall -Wextra -Werror -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla
# Empty, as a file's own `#define _GNU_SOURCE` has it: the force-included slots.h comes before that line.
CPPFLAGS_ALL := -I. -D_GNU_SOURCE= -DKBACCEL_LIBDIR='"$(LIBDIR)/kbaccel"' $(CPPFLAGS)
# An IP header behind an Ethernet header is never aligned.
# TSan does not model fences: those that stand here order two atomic accesses each, which it sees by themselves.
SAN_CFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize=alignment -fno-sanitize-recover=all -fno-omit-frame-pointer) \
	$(if $(filter thread,$(SAN)),-Wno-tsan)
BASE_CFLAGS := -std=gnu11 -g -fPIC -fvisibility=hidden -fno-semantic-interposition \
	-ffunction-sections -fdata-sections -fstack-protector-strong \
	$(SAN_CFLAGS) $(if $(LTO),$(LTO) -ffat-lto-objects)
OPT ?= $(if $(SAN),-O1,-O2)
OPT_STACK ?= $(if $(SAN),-O1,-O3)

# preload/ defines read(), recv() ... itself: the fortified spellings in libc's headers must stay out.
LIB_CFLAGS := $(BASE_CFLAGS) $(WARN) -U_FORTIFY_SOURCE
# lwIP keeps its state in slots.h's instance; all of stack/ must see the structures that lwIP sees.
STACK_FLAGS := -Istack -isystem $(LWIP)/include -include stack/slots.h
LWIP_CFLAGS := $(BASE_CFLAGS) -w -U_FORTIFY_SOURCE $(OPT_STACK) $(STACK_FLAGS)
LINK := -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed,--gc-sections
LINK_SO := -shared -Wl,-z,defs,-z,nodelete,--exclude-libs,ALL $(LINK)

# Archives, bound to themselves: a program that exports a name of libbpf (dnsdist: bpf_prog_load) must not get the plugin's
# calls. They are compiled for executables, where stderr would be the executable's own: xdp_open.c has one.
XDP_LIBS := -Wl,-Bsymbolic,--wrap=stderr -Wl,-Bstatic -lxdp -lbpf -Wl,-Bdynamic -lelf -lz
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)
BPF_CFLAGS := -target bpf -O2 -g -Wall -Werror -I. -idirafter /usr/include/$(MULTIARCH)

# --- what is made of what --------------------------------------------------------------------------------------

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$1)

BASE_OBJ := $(call obj,$(wildcard base/*.c))
STACK_OBJ := $(call obj,$(wildcard stack/*.c))
PRELOAD_OBJ := $(call obj,$(wildcard preload/*.c))
NIC_OBJ := $(call obj,$(wildcard nic/nic.c))
TOOLS_OBJ := $(call obj,$(wildcard tools/*.c))
DAEMON_OBJ := $(call obj,$(wildcard daemon/*.c))
XDP_SRC := $(wildcard nic/xdp/*.c)
ETHTOOL_OBJ := $(call obj,$(wildcard nic/ethtool/*.c))
XDP_OBJ := $(call obj,$(filter-out %.bpf.c,$(XDP_SRC)) $(wildcard nic/steer_map.c)) $(ETHTOOL_OBJ)
# Without libibverbs's headers all else is built.
VERBS_SRC := $(if $(wildcard /usr/include/infiniband/verbs.h),$(wildcard nic/verbs/*.c))
VERBS_OBJ := $(call obj,$(VERBS_SRC) $(wildcard nic/steer_map.c))
XDP_SKEL := $(patsubst %.bpf.c,$(BUILD)/obj/%.skel.h,$(filter %.bpf.c,$(XDP_SRC)))

LWIP_NAMES := core/init core/def core/inet_chksum core/ip core/mem core/memp core/netif core/pbuf core/sys core/udp \
	core/raw core/ipv4/ip4 core/ipv4/ip4_addr core/ipv4/ip4_frag core/ipv6/inet6 core/ipv6/ip6 core/ipv6/ip6_addr \
	core/ipv6/ip6_frag core/ipv6/nd6 core/ipv6/icmp6 core/ipv6/mld6 core/ipv6/ethip6
LWIP_OBJ := $(patsubst %,$(BUILD)/obj/lwip/%.o,$(LWIP_NAMES))

LIBRARY := $(BUILD)/libkbaccel.so
PLUGINS := $(if $(XDP_SRC),$(BUILD)/kbaccel-xdp.so) $(if $(VERBS_SRC),$(BUILD)/kbaccel-verbs.so)
TOOL := $(if $(TOOLS_OBJ),$(BUILD)/kbaccel)
CAPTURE_OBJ := $(call obj,$(wildcard tools/capture/*.c) tools/pages.c)
CAPTURE := $(BUILD)/kbaccel-capture
DAEMON := $(if $(DAEMON_OBJ),$(BUILD)/kbacceld)

# Everything but preload/ and the plugins, to be linked into tests.
TEST_LIB := $(BUILD)/libkbaccel-test.a
TEST_LIB_OBJ := $(BASE_OBJ) $(STACK_OBJ) $(call obj,$(wildcard nic/*.c)) $(ETHTOOL_OBJ) $(LWIP_OBJ)

TEST_DIRS := unit netns conform apps fuzz bench soak
test_src = $(filter-out %.bpf.c $(if $(VERBS_SRC),,%/test_fake_verbs.c),$(wildcard tests/$1/*.c))
test_bin = $(patsubst %.c,$(BUILD)/%,$(call test_src,$1))
TEST_SRC := $(foreach d,$(TEST_DIRS),$(call test_src,$d))
TEST_BIN := $(patsubst %.c,$(BUILD)/%,$(TEST_SRC))
FAKE_DIR := $(BUILD)/tests/fake-verbs
FAKE_VERBS := $(if $(VERBS_SRC),$(FAKE_DIR)/libibverbs.so.1 $(FAKE_DIR)/fake_hca)
TEST_SKEL := $(patsubst %.bpf.c,$(BUILD)/obj/%.skel.h,$(wildcard tests/*/*.bpf.c))
-include $(wildcard tests/*/flags.mk)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:

all: $(LIBRARY) $(PLUGINS) $(TOOL) $(CAPTURE) $(DAEMON) $(if $(TOOL),$(BUILD)/libkbaccel.7) ## the library, its plugins, the tools and the broker, into build/

tests: $(TEST_BIN) $(FAKE_VERBS) ## the test programs, into build/tests/

# --- compiling -------------------------------------------------------------------------------------------------

# Objects are remade when the flags change (another PREFIX, LTO=, CFLAGS=...).
FLAGS := $(CC) $(CPPFLAGS_ALL) $(LIB_CFLAGS) $(OPT) $(LWIP_CFLAGS) $(CFLAGS) $(LDFLAGS)
$(BUILD)/flags: force | $(LWIP)/core/udp.c
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(FLAGS))' | cmp -s - $@ || printf '%s\n' '$(subst ','\'',$(FLAGS))' >$@

define compile
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$Q$(CC) $(CPPFLAGS_ALL) $1 $(CFLAGS) -MMD -MP -c -o $@ $<
endef

$(BUILD)/obj/base/%.o: base/%.c $(BUILD)/flags
	$(call compile,$(LIB_CFLAGS) $(OPT))

$(BUILD)/obj/preload/%.o: preload/%.c $(BUILD)/flags
	$(call compile,$(LIB_CFLAGS) $(OPT))

$(call obj,$(wildcard nic/*.c nic/ethtool/*.c)): $(BUILD)/obj/%.o: %.c $(BUILD)/flags
	$(call compile,$(LIB_CFLAGS) $(OPT))

$(call obj,$(filter-out %.bpf.c,$(XDP_SRC))): $(BUILD)/obj/%.o: %.c $(XDP_SKEL) $(BUILD)/flags
	$(call compile,$(LIB_CFLAGS) $(OPT) -I$(BUILD)/obj/nic/xdp)

$(call obj,$(VERBS_SRC)): $(BUILD)/obj/%.o: %.c $(BUILD)/flags
	$(call compile,$(LIB_CFLAGS) $(OPT))

# lwIP's headers are the system's for the compiler, and what they include does not get into the .d files.
LWIP_CONFIG := stack/lwipopts.h stack/slots.h $(wildcard stack/arch/*.h)

$(BUILD)/obj/stack/%.o: stack/%.c $(BUILD)/flags $(LWIP_CONFIG)
	$(call compile,$(LIB_CFLAGS) $(OPT_STACK) $(STACK_FLAGS))

$(BUILD)/obj/tools/%.o: tools/%.c $(BUILD)/flags
	$(call compile,$(BASE_CFLAGS) $(WARN) $(OPT) -D_FORTIFY_SOURCE=2 -DKBACCEL_VERSION='"$(VERSION)"')

$(BUILD)/obj/daemon/%.o: daemon/%.c $(BUILD)/flags
	$(call compile,$(BASE_CFLAGS) $(WARN) $(OPT) -D_FORTIFY_SOURCE=2 -DKBACCEL_VERSION='"$(VERSION)"')

$(BUILD)/obj/lwip/%.o: $(LWIP)/%.c $(BUILD)/flags $(LWIP_CONFIG)
	$(call compile,$(LWIP_CFLAGS))

# Between lwIP's IP input and its UDP input stand our checks and the choice of the bucket (stack/).
$(BUILD)/obj/lwip/core/ipv4/ip4.o $(BUILD)/obj/lwip/core/ipv6/ip6.o: LWIP_CFLAGS += -Dudp_input=kb_udp_input
$(BUILD)/obj/lwip/core/ipv6/ip6.o: LWIP_CFLAGS += -Dmld6_lookfor_group=kb_mld6_lookfor_group
# `reassdatagrams` exists in two files.
$(BUILD)/obj/lwip/core/ipv6/ip6_frag.o: LWIP_CFLAGS += -DKB_REASS6

$(LWIP)/%.c:
	@echo "lwIP's source is missing ($@): run \`make deps\` first" >&2; false

$(patsubst %.skel.h,%.bpf.o,$(XDP_SKEL) $(TEST_SKEL)): $(BUILD)/obj/%.bpf.o: %.bpf.c
	$(call say,BPF,$@)
	@mkdir -p $(@D)
	$Q$(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/obj/%.skel.h: $(BUILD)/obj/%.bpf.o
	$(call say,SKEL,$@)
	$Q$(BPFTOOL) gen skeleton $< name $(notdir $*) >$@

# --- linking ---------------------------------------------------------------------------------------------------

# The exported names are those of base/calls.def; `name;` of each is cut out by the preprocessor.
call_names = printf '\#define CALL(r, n, p) n;\n\#define ALIAS(n) n;\n\#include "base/calls.def"\n' | $(CC) -E -P -I. -x c -

$(BUILD)/exports.map: base/calls.def
	@mkdir -p $(@D)
	$Q{ echo '{ global:'; $(call_names); echo 'local: *; };'; } >$@

$(BUILD)/plugin.map:
	@mkdir -p $(@D)
	$Qecho '{ global: kbaccel_nic_backend; local: *; };' >$@

# Across files gcc no longer sees that "error" and "not filled in" are the same case; within one it still says so.
define link
	$(call say,LINK,$@)
	$Q$(CC) $(LIB_CFLAGS) -Wno-maybe-uninitialized $(OPT) $(CFLAGS) $1 $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $2
endef

$(LIBRARY): $(BASE_OBJ) $(STACK_OBJ) $(PRELOAD_OBJ) $(NIC_OBJ) $(LWIP_OBJ) $(BUILD)/exports.map
	$(call link,$(LINK_SO) -Wl$(comma)-soname=libkbaccel.so -Wl$(comma)--version-script=$(BUILD)/exports.map)

$(BUILD)/kbaccel-xdp.so: $(XDP_OBJ) $(BUILD)/plugin.map
	$(call link,$(LINK_SO) -Wl$(comma)--version-script=$(BUILD)/plugin.map,$(XDP_LIBS))

# libibverbs loads the NICs' providers itself, so it stays a shared library.
$(BUILD)/kbaccel-verbs.so: $(VERBS_OBJ) $(BUILD)/plugin.map
	$(call link,$(LINK_SO) -Wl$(comma)-Bsymbolic -Wl$(comma)--version-script=$(BUILD)/plugin.map,-libverbs)

$(BUILD)/kbaccel: $(TOOLS_OBJ) $(BASE_OBJ) $(NIC_OBJ) $(ETHTOOL_OBJ)
	$(call link,-pie $(LINK))

$(CAPTURE): $(CAPTURE_OBJ) $(BASE_OBJ)
	$(call link,-pie $(LINK),-lpcap)

$(BUILD)/kbacceld: $(DAEMON_OBJ) $(XDP_OBJ) $(BASE_OBJ)
	$(call link,-pie $(LINK),$(XDP_LIBS) -lmnl)

$(TEST_LIB): $(TEST_LIB_OBJ)
	$(call say,AR,$@)
	$Qrm -f $@ && gcc-ar rcs $@ $^

comma := ,

# --- tests -----------------------------------------------------------------------------------------------------

# Tests use the plain halves of the objects: linking them takes no time.
TEST_CFLAGS := -std=gnu11 -g -O2 -Wall -Wextra -Werror -pthread

define test_program
	$(call say,TEST,$@)
	@mkdir -p $(@D) $(BUILD)/obj/$(<D)
	$Q$(CC) $(TEST_CFLAGS) $1 $(CFLAGS) $(CFLAGS_$(@F)) -MMD -MP -MF $(BUILD)/obj/$<.d -o $@ $< $(LDFLAGS) \
		$2 $(LDLIBS_$(@F))
endef

# These look inside: headers of the project and of lwIP, the library as an archive, cmocka.
inside = $(call test_program,$(SAN_CFLAGS) $(CPPFLAGS_ALL) $(STACK_FLAGS) -I$(BUILD)/obj/nic/xdp -I$(BUILD)/obj/$(<D) \
	-fno-lto,$(TEST_LIB) -lcmocka)

$(call test_bin,unit) $(call test_bin,fuzz): $(BUILD)/%: %.c $(TEST_LIB) $(XDP_SKEL) $(TEST_SKEL) $(BUILD)/flags
	$(inside)

# These know the kernel's interface only: the same program runs with and without the preload.
$(filter-out $(BUILD)/tests/unit/% $(BUILD)/tests/fuzz/%,$(TEST_BIN)): $(BUILD)/%: %.c $(TEST_SKEL)
	$(call test_program,-I. -I$(BUILD)/obj/$(<D))

# The fake libibverbs, which tests find by LD_LIBRARY_PATH, and its device. No sanitizer: they stand for hardware.
FAKE_H := $(wildcard tests/fake-verbs/*.h)
$(FAKE_DIR)/libibverbs.so.1: $(wildcard tests/fake-verbs/fake_*.c) tests/fake-verbs/verbs.map $(FAKE_H)
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$Q$(CC) $(TEST_CFLAGS) -fPIC -fvisibility=hidden -I. -shared -Wl,-soname,libibverbs.so.1,-z,defs \
		-Wl,--version-script=tests/fake-verbs/verbs.map -o $@ $(filter %.c,$^)

$(FAKE_DIR)/fake_hca: $(wildcard tests/fake-verbs/hca_*.c) $(FAKE_H)
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$Q$(CC) $(TEST_CFLAGS) -I. -o $@ $(filter %.c,$^)

LDLIBS_test_nic_bpf += -lbpf -lelf -lz

RUN = BUILD=$(BUILD) V=$(V) tests/run

test: ## install what is needed, build, run every test
	$(Q)$(MAKE) --no-print-directory deps
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) all tests
	@$(RUN) -j $(JOBS) all

check-fast: all $(call test_bin,unit) $(FAKE_VERBS) ## unit tests and the checks of layers and exports, in less than a minute
	@$(RUN) -j $(JOBS) static unit

GROUPS := unit conform netns apps fuzz
$(GROUPS): %: all ## one group of tests
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) tests
	@$(RUN) $@

LAB = BUILD=$(abspath $(BUILD)) KB_BENCH_BIN=$(abspath $(BUILD))/tests/bench

bench: all $(call test_bin,bench) ## measure against the kernel's own path and bare AF_XDP
	@$(LAB) tests/bench/run.sh

# Where kernels differ: the verifier, AF_XDP, bonds and the like.
VM_TESTS ?= $(addprefix tests/netns/,nic_xdp accel_basic accel_generic accel_links accel_vlan accel_several accel_broker tool_check) \
	$(BUILD)/tests/unit/test_nic_bpf
vm-test: all ## the tests in which kernels differ, on Debian's own kernel in qemu (VM_TESTS: groups or files)
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) tests
	@BUILD=$(BUILD) V=$(V) tests/vm/run.sh $(addsuffix .sh,$(filter tests/netns/%,$(VM_TESTS:.sh=))) $(filter-out tests/netns/%,$(VM_TESTS))

MINUTES ?= 10

soak: all $(call test_bin,soak) ## several processes under load and disturbances for MINUTES=10: nothing may be lost or leaked
	@BUILD=$(BUILD) MINUTES=$(MINUTES) tests/soak/soak.sh

# Everything again under a sanitizer, in a directory of its own.
ASAN_TESTS ?= unit fuzz conform netns apps

asan: ## all tests under AddressSanitizer and UBSan (ASAN_TESTS: groups or files)
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) BUILD=build-asan SAN=address,undefined all tests build-asan/asan-runtime.so
	@KB_SAN_LIB=$(CURDIR)/build-asan/asan-runtime.so KB_TOTAL=7200 KB_JOBS=$${KB_JOBS:-3} BUILD=build-asan V=$(V) \
		tests/run $(ASAN_TESTS)

# What is preloaded together with the library: the compiler's runtime but for its own wrappers of the calls that the library
# intercepts. They would come first, and look at the program's pointers where the kernel is to judge them. It starts before the
# constructors of other libraries: these may hold locks of libc that its own start takes.
$(BUILD)/asan-runtime.so: tests/lib/asan_runtime.c base/calls.def
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$Q{ echo '{ global: *; local:'; $(call_names); echo '};'; } >$(BUILD)/asan-runtime.map
	$Q$(CC) -shared -fPIC -O2 -Wall -Wextra -o $@ $< -Wl,-soname,libasan.so.8,-z,initfirst,-init,__asan_init \
		-Wl,--version-script=$(BUILD)/asan-runtime.map \
		-Wl,--whole-archive $$($(CC) -print-file-name=libasan.a) -Wl,--no-whole-archive -Wl,--as-needed -lstdc++ -lm

tsan: ## unit tests, and all others that have threads, under ThreadSanitizer
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) BUILD=build-tsan SAN=thread all tests
	@KB_SAN_LIB=$$($(CC) -print-file-name=libtsan.so) BUILD=$(abspath build-tsan) V=$(V) tests/tsan.sh

C_FILES = $(wildcard base/*.[ch] stack/*.[ch] stack/arch/*.h preload/*.[ch] nic/*.[ch] nic/xdp/*.[ch] nic/verbs/*.[ch] nic/ethtool/*.[ch] \
	tools/*.[ch] tools/capture/*.[ch] daemon/*.[ch] \
	tests/*/*.[ch])
SH_FILES = tests/run .ci/run $(wildcard tools/*.sh tests/*.sh tests/*/*.sh)

lint: ## layout, layers, shell scripts
	@$(RUN) tests/check-layers.sh tests/check-layout.sh
	$(Q)! command -v shellcheck >/dev/null || shellcheck -x -S warning $(SH_FILES)

c-files: # for tests/check-layout.sh
	@printf "%s\n" $(C_FILES)

format: ## lay the C files out by .clang-format
	$(Q)clang-format -i $(C_FILES)

# The settings of the manual page are those of the tool.
$(BUILD)/libkbaccel.7: docs/libkbaccel.7.in tools/settings_mdoc.awk $(BUILD)/kbaccel
	$(call say,GEN,$@)
	$Qenv -i $(BUILD)/kbaccel config >$@.settings
	$Qawk -f tools/settings_mdoc.awk $@.settings $< >$@.new
	$Qrm $@.settings
	$Qmv $@.new $@

# --- the rest --------------------------------------------------------------------------------------------------

deps: ## install the packages and lwIP's source (root, Debian 12); nothing to do the second time
	$(Q)tools/deps.sh all

demo: ## install what is needed, build, and compare programs with and without the preload
	$(Q)$(MAKE) --no-print-directory deps
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) all $(call test_bin,bench)
	@$(LAB) tools/demo.sh

DEST_LIB = $(DESTDIR)$(LIBDIR)
MAN_PAGES = $(wildcard docs/*.[1-9]) $(if $(TOOL),$(BUILD)/libkbaccel.7)

install: all ## PREFIX=/usr/local DESTDIR=
	install -d $(DEST_LIB)/kbaccel $(DESTDIR)$(BINDIR) $(DESTDIR)$(DOCDIR)
	install -m 644 $(LIBRARY) $(DEST_LIB)/
	$(if $(PLUGINS),install -m 644 $(PLUGINS) $(DEST_LIB)/kbaccel/)
	$(if $(TOOL),install -m 755 $(TOOL) $(DESTDIR)$(BINDIR)/)
	install -m 755 $(CAPTURE) $(DEST_LIB)/kbaccel/
	install -m 644 LICENSE $(wildcard README.md CHANGELOG.md SECURITY.md) $(DESTDIR)$(DOCDIR)/
	install -D -m 644 -t $(DESTDIR)$(DOCDIR)/docs $(wildcard docs/*.md)
	for page in $(MAN_PAGES); do install -D -m 644 -t $(DESTDIR)$(MANDIR)/man$${page##*.} $$page; done
	install -D -m 755 -t $(DESTDIR)$(SBINDIR) $(DAEMON)
	install -d $(DESTDIR)$(UNITDIR) $(DESTDIR)$(SYSCONFDIR)/kbaccel
	sed 's|@SBINDIR@|$(SBINDIR)|' daemon/kbacceld.service.in >$(DESTDIR)$(UNITDIR)/kbacceld.service
	[ -e $(DESTDIR)$(SYSCONFDIR)/kbaccel/kbacceld.conf ] || \
		install -m 644 daemon/kbacceld.conf $(DESTDIR)$(SYSCONFDIR)/kbaccel/

uninstall: ## the same PREFIX and DESTDIR as for install
	rm -f $(DEST_LIB)/libkbaccel.so $(addprefix $(DEST_LIB)/kbaccel/,$(notdir $(PLUGINS) $(CAPTURE))) $(DESTDIR)$(BINDIR)/kbaccel
	for page in $(MAN_PAGES); do rm -f $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/}; done
	rm -f $(DESTDIR)$(SBINDIR)/kbacceld $(DESTDIR)$(UNITDIR)/kbacceld.service
	rm -rf $(DESTDIR)$(DOCDIR)
	[ ! -d $(DEST_LIB)/kbaccel ] || rmdir --ignore-fail-on-non-empty $(DEST_LIB)/kbaccel

clean: ## remove what was built; deps/ stays
	rm -rf build build-asan build-tsan $(BUILD)

help: ## this list
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  \1\t\2/p' Makefile | expand -t 14
	@echo '  $(GROUPS): one group of tests; tests/run -h for single ones'

.PHONY: all tests test check-fast bench vm-test soak asan tsan lint format c-files deps demo install uninstall clean help force $(GROUPS)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
