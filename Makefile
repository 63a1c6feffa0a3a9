# Tollgate. `make help` lists what there is to make.
#
# One folder under src/ is one room; each becomes an archive, and docs/house.txt says which archives
# a room's tests may be linked with. New files and rooms are found by themselves.

VERSION  ?= 0.1.0
BUILD    ?= build
CC        = gcc
CLANG    ?= clang
AR       ?= ar
WERROR   ?= -Werror
SAN      ?=
FAULTS   ?=
ROOM     ?=
T        ?=
S        ?= 60

SHELL         := /bin/bash
.DEFAULT_GOAL := all
.SUFFIXES:
.DELETE_ON_ERROR:
MAKEFLAGS     += --no-builtin-rules
# All cores, unless somebody above has said how many.
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS     += -j$(shell nproc 2>/dev/null || echo 2)
endif

# ---------------------------------------------------------------- flags

PKGS   := libuv openssl libsodium sqlite3 libpq inih libcurl libqrencode liblz4
# -isystem, so that our warnings are not asked of other people's headers.
PKG_CF := $(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(PKGS) 2>/dev/null))
# (libharu has no file of pkg-config.)
PKG_LD := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lhpdf
TEST_LD := $(shell pkg-config --libs cmocka 2>/dev/null || echo -lcmocka)

WARN := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes \
        -Wmissing-prototypes -Wvla -Wformat=2 -Wwrite-strings -Wcast-qual -Wswitch-enum $(WERROR)
OPT  := -O3 -g
# The program is optimised as a whole when it is linked; everything else is linked from the same
# objects as they are.
LTO  := -flto=auto -ffat-lto-objects
HARD := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong

# A sanitizer replaces the hardening: both want to be the one that checks.
ifneq ($(SAN),)
LTO  :=
endif
ifeq ($(SAN),asan)
OPT  := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
HARD :=
else ifeq ($(SAN),tsan)
OPT  := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
HARD :=
else ifeq ($(SAN),fuzz)
CC   := $(CLANG)
OPT  := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined,fuzzer-no-link \
        -fno-sanitize-recover=all
HARD :=
WERROR :=
endif

CPPFLAGS_ALL := -Isrc -I$(BUILD)/gen -D_GNU_SOURCE $(if $(FAULTS),-DTOLLGATE_FAULTS=$(FAULTS)) \
                $(PKG_CF) $(CPPFLAGS)
CFLAGS_ALL   := -std=gnu17 $(OPT) $(LTO) $(WARN) $(HARD) -fPIE -pthread -ffunction-sections \
                -fdata-sections $(CFLAGS)
LDFLAGS_ALL  := -pie -pthread -Wl,-z,relro,-z,now,--gc-sections,--as-needed $(LDFLAGS)

# One short line per command; make V=1 shows them whole.
ifeq ($(V),)
say = @printf '  %-4s %s\n' '$1' '$2';
endif

# ---------------------------------------------------------------- what there is

ROOMS := $(sort $(patsubst src/%/,%,$(wildcard src/*/))) $(if $(wildcard sandbox/*.c),sandbox)
where  = $(if $(filter sandbox,$1),sandbox,src/$1)
obj    = $(patsubst %.c,$(BUILD)/obj/%.o,$1)
NOT_PRODUCT := %_test.c %_fuzz.c %_testkit.c %/main.c

# MAY_room: what its tests are linked with, itself first. The awk line turns "room: a b # why" into
# "room=room,a,b", which is one word to make.
comma := ,
HOUSE := $(shell awk -F: '{ sub(/\#.*/, "") } NF == 2 { gsub(/[ \t]/, "", $$1); n = split($$2, a, " "); \
           s = $$1 "=" $$1; for (i = 1; i <= n; i++) s = s "," a[i]; print s }' docs/house.txt)
$(foreach h,$(HOUSE),$(eval MAY_$(firstword $(subst =, ,$h)) := \
  $(filter $(ROOMS),$(subst $(comma), ,$(word 2,$(subst =, ,$h))))))
$(foreach r,$(ROOMS),$(if $(MAY_$r),,$(eval MAY_$r := $r)))

$(foreach r,$(ROOMS),$(eval SRC_$r   := $(filter-out $(NOT_PRODUCT),$(wildcard $(call where,$r)/*.c))))
$(foreach r,$(ROOMS),$(eval TESTS_$r := $(wildcard $(call where,$r)/*_test.c)))
$(foreach r,$(ROOMS),$(eval FUZZ_$r  := $(wildcard $(call where,$r)/*_fuzz.c)))
$(foreach r,$(ROOMS),$(eval KIT_$r   := $(wildcard $(call where,$r)/*_testkit.c)))

# SQL statements become C, and belong to the store.
SQL := $(wildcard src/store/sql/*.sql src/store/migrations/*.sql)
GEN_SQL := $(if $(wildcard src/store/sql/*.sql),$(BUILD)/gen/sql.h)

$(foreach r,$(ROOMS),$(eval OBJ_$r  := $(call obj,$(SRC_$r))))
ifneq ($(GEN_SQL),)
OBJ_store += $(BUILD)/obj/gen/sql.o
endif

# The console, built from web/ once for all build folders, becomes C too. Without Node.js the program
# is made without it, and tried again at every make.
OBJ_console += $(BUILD)/obj/gen/console.o
WEB := $(shell find web \( -name node_modules -o -name dist \) -prune -o -type f ! -name '.*.lock' -print)
$(foreach r,$(ROOMS),$(eval UNIT_$r := $(patsubst $(call where,$r)/%.c,$(BUILD)/unit/$r/%,$(TESTS_$r))))
$(foreach r,$(ROOMS),$(eval REPLAY_$r := \
  $(patsubst $(call where,$r)/%_fuzz.c,$(BUILD)/replay/$r_%,$(FUZZ_$r))))
$(foreach r,$(ROOMS),$(eval FUZZER_$r := \
  $(patsubst $(call where,$r)/%_fuzz.c,$(BUILD)/fuzzer/$r_%,$(FUZZ_$r))))

MAINS    := $(wildcard src/main.c sandbox/main.c)
PROGRAMS := $(if $(filter src/main.c,$(MAINS)),$(BUILD)/tollgate) \
            $(if $(filter sandbox/main.c,$(MAINS)),$(BUILD)/tollgate-sandbox)
libs      = $(foreach r,$1,$(BUILD)/lib/$r.a)
LIBS     := $(call libs,$(ROOMS))
HOUSE_LIBS := $(call libs,$(filter-out sandbox,$(ROOMS)))

ALL_C    := $(foreach r,$(ROOMS),$(SRC_$r) $(TESTS_$r) $(FUZZ_$r) $(KIT_$r)) $(MAINS) \
            tools/fuzz_replay.c
ALL_H    := $(wildcard src/*/*.h sandbox/*.h)
ALL_OBJ  := $(call obj,$(ALL_C)) $(if $(GEN_SQL),$(BUILD)/obj/gen/sql.o) $(BUILD)/obj/gen/console.o

# The unit tests asked for: all, or those of ROOM, or T (ledger_test, ledger or a path), or both.
t_name     = $(patsubst %_test,%,$(basename $(notdir $(T))))
UNITS_ALL := $(foreach r,$(if $(ROOM),$(ROOM),$(ROOMS)),$(UNIT_$r))
UNITS     := $(if $(T),$(filter %/$(t_name)_test,$(UNITS_ALL)),$(UNITS_ALL))
REPLAYS   := $(foreach r,$(if $(ROOM),$(ROOM),$(ROOMS)),$(REPLAY_$r))

# ---------------------------------------------------------------- building

.PHONY: all lib unit unit-build fuzz-replay fuzz-replay-build fuzz scenarios clients browser \
        screenshots torture \
        soak bench bench-console san tsan lint tidy run test suites faults format clean help FORCE
all: $(LIBS) $(PROGRAMS)

# One room only: make lib ROOM=base.
lib: $(call libs,$(or $(ROOM),$(ROOMS)))

# FORCE when the file $2 does not say "= $1".
stale = $(if $(subst x$(strip = $1)x,,x$(strip $(file <$2))x),FORCE)

# What objects depend on besides their sources. The stamp changes only when the flags do.
FLAGS := $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) | $(LDFLAGS_ALL) $(PKG_LD)
$(BUILD)/flags: $(call stale,$(FLAGS),$(BUILD)/flags)
	@pkg-config --exists --print-errors $(PKGS) || \
	  { echo "libraries are missing: run tools/deps run, or tools/deps test" >&2; exit 1; }
	@mkdir -p $(@D)
	@echo '= $(strip $(FLAGS))' >$@

$(BUILD)/gen/version.h: FORCE
	@mkdir -p $(@D)
	@rev=$$(git describe --tags --always 2>/dev/null | sed 's/^v$(VERSION)$$//'); \
	new="#define TOLLGATE_VERSION \"$(VERSION)$${rev:+ ($$rev)}\""; \
	[ "$$(cat $@ 2>/dev/null)" = "$$new" ] || echo "$$new" >$@

ifneq ($(GEN_SQL),)
$(BUILD)/gen/sql.h $(BUILD)/gen/sql.c &: $(SQL) src/store/sql $(wildcard tools/sqlgen*)
	@mkdir -p $(@D)
	$(call say,SQL,$@) tools/sqlgen $(BUILD)/gen src/store/sql src/store/migrations
	@touch $(BUILD)/gen/sql.h $(BUILD)/gen/sql.c

$(BUILD)/obj/gen/sql.o: $(BUILD)/gen/sql.c $(BUILD)/gen/sql.h $(BUILD)/flags Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<) $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<
endif

$(BUILD)/gen/console.c: $(WEB) tools/embed $(if $(wildcard $(BUILD)/gen/console/.without),FORCE)
	$(call say,WEB,$@) tools/embed $(@D)

$(BUILD)/obj/gen/console.o: $(BUILD)/gen/console.c $(BUILD)/flags Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<) $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -fno-lto -MMD -MP -c -o $@ $<

$(call obj,$(ALL_C)): $(BUILD)/obj/%.o: %.c $(BUILD)/flags Makefile | $(BUILD)/gen/version.h
	@mkdir -p $(@D)
	$(call say,CC,$<) $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# sandbox includes "sandbox/x.h".
$(filter $(BUILD)/obj/sandbox/%,$(ALL_OBJ)): CPPFLAGS_ALL += -I.

LINK = $(call say,LD,$@) $(CC) $(CFLAGS_ALL) $(AS_WHOLE) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) \
       -Wl,--start-group $(filter %.a,$^) -Wl,--end-group
AS_WHOLE := -fno-lto

# (Warnings were asked for file by file; across files some are false.)
$(BUILD)/tollgate: AS_WHOLE := $(if $(LTO),-w)
$(BUILD)/tollgate: $(BUILD)/obj/src/main.o $(HOUSE_LIBS)
	$(LINK) $(PKG_LD)

$(BUILD)/tollgate-sandbox: $(BUILD)/obj/sandbox/main.o $(call libs,$(MAY_sandbox))
	$(LINK) $(PKG_LD)

# Per room: the archive (made anew when its list of objects changes, so that a deleted file is gone
# from it), the unit tests, the replayed and the real fuzzers.
define ROOM_RULES
$(BUILD)/lib/$1.a: $(OBJ_$1) $(call stale,$(OBJ_$1),$(BUILD)/lib/$1.list)
	@mkdir -p $$(@D) && rm -f $$@
	@$(AR) rcs $$@ $(OBJ_$1)
	@echo '= $(strip $(OBJ_$1))' >$(BUILD)/lib/$1.list

$(UNIT_$1): $(BUILD)/unit/$1/%: $(BUILD)/obj/$(call where,$1)/%.o $(call obj,$(foreach r,$(MAY_$1),$(KIT_$r))) $(call libs,$(MAY_$1))
	@mkdir -p $$(@D)
	$$(LINK) $$(PKG_LD) $$(TEST_LD)

$(REPLAY_$1): $(BUILD)/replay/$1_%: $(BUILD)/obj/$(call where,$1)/%_fuzz.o $(BUILD)/obj/tools/fuzz_replay.o $(call libs,$(MAY_$1))
	@mkdir -p $$(@D)
	$$(LINK) $$(PKG_LD)

$(FUZZER_$1): $(BUILD)/fuzzer/$1_%: $(BUILD)/obj/$(call where,$1)/%_fuzz.o $(call libs,$(MAY_$1))
	@mkdir -p $$(@D)
	$$(LINK) -fsanitize=fuzzer $$(PKG_LD)

$(if $(filter store,$(MAY_$1)),$(call obj,$(SRC_$1) $(TESTS_$1) $(FUZZ_$1) $(KIT_$1)): | $(GEN_SQL))
endef
$(foreach r,$(ROOMS),$(eval $(call ROOM_RULES,$r)))
$(BUILD)/obj/src/main.o: | $(GEN_SQL)

-include $(wildcard $(ALL_OBJ:.o=.d))

# ---------------------------------------------------------------- trying

export BUILD SAN
RUN_TESTS = UNITS="$(UNITS)" REPLAYS="$(REPLAYS)" SCENARIOS="$(SCENARIOS)" tools/run-tests
# One scenario or some: make scenarios T=tests/scenarios/e0001.vtc
SCENARIOS = $(if $(filter %.vtc,$(T)),$(T),$(wildcard tests/scenarios/*.vtc))

unit-build: $(UNITS)
unit: $(UNITS)
	@$(if $(UNITS),$(RUN_TESTS) unit,echo "no unit tests for ROOM=$(ROOM) T=$(T)"; exit 1)

fuzz-replay-build: $(REPLAYS)
fuzz-replay: $(REPLAYS)
	@$(RUN_TESTS) fuzz-replay

# make fuzz T=codec/http1 S=600: libFuzzer with ASan and UBSan. What it learns stays in $(BUILD)/fuzz;
# what it breaks is written to $(BUILD)/fuzz/crash-*: put that into tests/corpus and mend.
fuzz:
	@[ -f "src/$(T)_fuzz.c" ] || { echo "make fuzz T=room/x: there is no src/$(T)_fuzz.c; there are:" \
	  $(patsubst src/%_fuzz.c,%,$(foreach r,$(ROOMS),$(FUZZ_$r))) >&2; exit 1; }
	@tools/deps lint
	@+$(MAKE) --no-print-directory BUILD=$(BUILD)/fuzz SAN=fuzz T= $(BUILD)/fuzz/fuzzer/$(subst /,_,$(T))
	@mkdir -p $(BUILD)/fuzz/found/$(subst /,_,$(T)) tests/corpus/$(subst /,_,$(T))
	$(BUILD)/fuzz/fuzzer/$(subst /,_,$(T)) -max_total_time=$(S) -timeout=10 -rss_limit_mb=2048 \
	  -print_final_stats=1 -artifact_prefix=$(BUILD)/fuzz/ \
	  $(BUILD)/fuzz/found/$(subst /,_,$(T)) tests/corpus/$(subst /,_,$(T))

scenarios: all
	@$(RUN_TESTS) scenarios
clients: all
	@$(RUN_TESTS) clients
browser: all
	@$(RUN_TESTS) browser

# Every page, light and dark, wide and phone, into $(BUILD)/screenshots; T= some of them.
screenshots: all
	@tools/deps test
	@cd tests/browser && { [ -d node_modules ] || npm ci --no-audit --no-fund --loglevel=error; } && \
	  node screenshots.mjs $(abspath $(BUILD))/gen/console $(abspath $(BUILD))/screenshots $(if $(T),'$(T)')

# The process dies at the n-th commit, write, allocation, and at random; then restart and audit.
PROGS = TOLLGATE=$(abspath $(BUILD))/tollgate SANDBOX=$(abspath $(BUILD))/tollgate-sandbox \
        TOLLGATE_FAULTY=$(abspath $(BUILD))/faults/tollgate TOLLGATE_BUILD=$(abspath $(BUILD))
torture: all faults
	@$(PROGS) tests/torture/run full
soak: all faults
	@$(PROGS) tests/torture/run soak $(S)
	@cd tests/clients && { [ -d node_modules ] || npm ci --no-audit --no-fund --loglevel=error; } && \
	  $(PROGS) TOLLGATE_SEQUENCES=10000 TOLLGATE_LIVES=480 node --test payments-random.test.mjs subscriptions-random.test.mjs
faults:
	@+$(MAKE) --no-print-directory BUILD=$(BUILD)/faults FAULTS=1 all

bench: all
	@tools/deps bench
	@$(PROGS) bench/run
bench-console: all
	@$(PROGS) node bench/console.mjs

# The suites named, built first as each needs it.
SUITES ?= tidy tidy-test sqlgen-test unit fuzz-replay scenarios clients browser torture
suites: all $(BUILD)/httpd $(UNITS) $(REPLAYS) $(if $(filter torture,$(SUITES)),$(if $(wildcard tests/torture/run),faults))
	@$(RUN_TESTS) $(SUITES)

test:
	@tools/deps test
	@+$(MAKE) --no-print-directory suites

san:
	@tools/deps test
	@+$(MAKE) --no-print-directory BUILD=$(BUILD)/san SAN=asan SUITES="unit fuzz-replay scenarios clients" suites
tsan:
	@tools/deps test
	@+$(MAKE) --no-print-directory BUILD=$(BUILD)/tsan SAN=tsan SUITES="unit scenarios clients" suites

run:
	@tools/deps run
	@+$(MAKE) --no-print-directory all
	@tools/run

# ---------------------------------------------------------------- looking

tidy:
	@tools/tidy

# clang's opinion of what gcc has compiled, the format, and clang-tidy's checks for bugs.
LINT_CHECKS := -*,bugprone-*,clang-analyzer-*,-bugprone-easily-swappable-parameters,$\
-bugprone-reserved-identifier,-bugprone-assignment-in-if-condition,-bugprone-macro-parentheses,$\
-bugprone-narrowing-conversions,-bugprone-implicit-widening-of-multiplication-result,$\
-bugprone-branch-clone,-bugprone-sizeof-expression,-clang-analyzer-optin.performance.Padding,-bugprone-not-null-terminated-result,-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling
LINT_FLAGS = $(CPPFLAGS_ALL) -I. -std=gnu17 $(WARN) $(LINT_WARN) -pthread
lint: | $(BUILD)/gen/version.h $(GEN_SQL)
	@tools/deps lint
	@bad=0; \
	printf '%s\n' $(ALL_C) | xargs -P "$$(nproc)" -n 8 $(CLANG) -fsyntax-only $(LINT_FLAGS) || bad=1; \
	printf '%s\n' $(ALL_C) $(ALL_H) | xargs -P "$$(nproc)" -n 16 clang-format --dry-run -Werror || bad=1; \
	printf '%s\n' $(ALL_C) | xargs -P "$$(nproc)" -I{} clang-tidy --quiet --warnings-as-errors='*' \
	  --checks='$(LINT_CHECKS)' {} -- $(LINT_FLAGS) 2>/dev/null || bad=1; \
	{ [ ! -d web/node_modules ] || (cd web && node node_modules/typescript/bin/tsc --noEmit); } || bad=1; \
	[ $$bad = 0 ] && echo "lint: $(words $(ALL_C)) files, no complaint" || { echo "lint: see above" >&2; exit 1; }

format:
	@clang-format -i $(ALL_C) $(ALL_H)

clean:
	rm -rf $(BUILD)

help:
	@sed -n 's/^#: //p' Makefile
#: make                        build/tollgate and build/tollgate-sandbox
#: make run                    install what is missing, build, start both, print a line that buys a completion
#: make test                   install what is missing, build, run every suite; ends with "N passed, N failed"
#: make unit [ROOM=r] [T=x]    unit tests: all, of one room, of one file
#: make fuzz-replay            the corpus through every fuzz target
#: make fuzz T=room/x S=60     libFuzzer on one target for S seconds
#: make scenarios [T=file.vtc] plays on the wire
#: make clients                the official SDKs and the command line
#: make browser                pages, by Playwright
#: make screenshots            pictures of every page, into build/screenshots
#: make torture                killed at the n-th commit, write, allocation; then audited
#: make soak S=3600            load and kills for S seconds, then 10,000 lives of payments
#: make bench                  the scorecard against nginx
#: make bench-console          what the console waits for, with ten million calls
#: make san, make tsan         units, plays and clients under ASan+UBSan, under TSan
#: make lint                   clang, clang-format, clang-tidy
#: make tidy                   the house's rules
#: make format                 clang-format, in place
#: make faults                 build/faults: the build that can be told to die
#: make lib ROOM=r             one room's archive
#: make clean
#: BUILD=dir goes with every one of them; -jN too (default: all cores).

include tests/scenarios/httpd.mk
include tests/torture/torture.mk
