# Everything that a person types. `make` alone prints the table, from the lines that begin with #:
#
# Goals of one command run one after the other, also with -j: `make -j setup check` must not check
# before it has set up. (-j still reaches the makes below, which build the kernels.) For the same
# reason nothing that setup installs is looked up here: only recipes do that, when they run.
.NOTPARALLEL:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Scripts are given to their interpreter: a ZIP may have taken the right to run them.
PYTHON := sh tools/python

# What of a person's environment would change what commands do.
unexport CDPATH GREP_OPTIONS BUILD PROBES

GOALS := $(or $(MAKECMDGOALS),help)
include common/tree.mk
ifneq ($(filter-out help clean,$(GOALS)),)
FAULT := $(call tree_fault,.)
$(if $(FAULT),$(error $(FAULT)))
endif

# ---- Which lab. A lab is a directory labN-name; without LAB= it is the newest.
FOUND   := $(filter lab%,$(wildcard lab[1-9]-*/.))
LABS    := $(sort $(FOUND:%/.=%))
NUMBERS := $(sort $(foreach lab,$(LABS),$(patsubst lab%,%,$(firstword $(subst -, ,$(lab))))))
LAB     ?= $(lastword $(NUMBERS))
ifneq ($(words $(LAB)) $(filter $(LAB),$(NUMBERS)),1 $(LAB))
$(error There is no lab $(LAB). There are: \
    $(foreach number,$(NUMBERS),LAB=$(number) ($(filter lab$(number)-%,$(LABS)))))
endif
DIRECTORY := $(filter lab$(LAB)-%,$(LABS))
ifneq ($(filter-out help clean setup doctor,$(GOALS)),)
ifneq ($(words $(filter lab$(LAB)-%,$(FOUND))),1)
$(error There is more than one lab $(LAB): $(strip $(shell printf '"%s" ' lab$(LAB)-*/)). Keep one in this \
    tree; move the others out of it, or give them names that do not begin with lab$(LAB)-)
endif
endif

#: For everyone
#:   setup                                     install what is missing for the goals that follow
#:   doctor                                    every tool with its version: is it good enough?
#:   run [LAB=n] [UEFI=1] [MEM=128M]           boot the lab in QEMU, its console on this terminal
#:       [PROGRAM=file.elf ARGS="a b"]         from lab 3 on: with programs of your own
#:       [CMDLINE=monitor]                     lab 4: with the kernel's monitor
#:       [CMDLINE=text] [QEMU_ARGS=text]       what the kernel is told, and what QEMU is told
#:   clean                                     remove build/, where everything generated lies
#:   book                                      the chapters as a site: build/book/index.html
.PHONY: help setup doctor run kernel iso grade debug gdb rewind map film diff tags book clean
help:
	@awk 'sub(/^#:    /, "        ") || sub(/^#:   /, "  make ") || sub(/^#: /, "")' \
	    $(MAKEFILE_LIST)
	@echo
	@echo "Labs: $(LABS). Without LAB=n it is the newest."
	@echo "CC=clang and OPT=-O0 choose another compiler or optimisation for run, debug and grade."

# What students need, and for the book what it takes, unless authors.mk knows better.
ROLE := $(if $(filter book,$(GOALS)),book,students)
setup:
	+@sh tools/setup $(ROLE)

doctor:
	+@sh tools/doctor $(ROLE)

run: iso
	@$(PYTHON) -m tools.run $(DIRECTORY)

book:
	@$(PYTHON) -m tools.book

clean:
	rm -rf build

#: For students
#:   grade [LAB=n] [TEST=T1.3] [SEED=n]        the score of lab n or of all; for each lost point why
#:                                             TEST=1.2: that of one exercise
#:         [JOBS=n] [FROM=tree]                JOBS: checks at a time; FROM: another tree's labs,
#:                                             built and run in a box
#:   debug [LAB=n] [TEST=T1.3] [GDBPORT=1234]  QEMU waiting for gdb: from power-on, or at a check
#:   gdb [LAB=n] [GDBPORT=1234]                gdb for it, in another terminal
#:   rewind [LAB=n] [PROGRAM=...] [ARGS=...]   records a run to its end, and gdb goes back from there
#:          [CMDLINE=text] [FROM=tree]         to the cause, and to who wrote a word last
#:   map [LAB=n] [AT=function] [PROGRAM=...]   the address spaces when the kernel comes there, their
#:       [CMDLINE=text] [FROM=tree]            tables, and who owns each frame; also as JSON
#:   film [LAB=n] [SCENE=syscall] [SEED=n]     ways in and out of the kernel, step by step, as a page:
#:        [FROM=tree] [AGAINST=reference]      build/film/labN-SCENE.html; without SCENE= all of them;
#:                                             AGAINST: where the reference goes another way
#:   iso [LAB=n]                               only build: build/labN-name/kernel.elf and rung.iso
#:   diff [LAB=n]                              what lab n adds to the lab before it
#:   tags                                      for editors, of all labs: build/tags and, for clangd,
#:                                             build/compile_commands.json
# Two makes, or a make and a grader, must not build in one directory at once: the lock is the grader's.
LOCK := build/$(DIRECTORY)/.lock
kernel iso:
	+@mkdir -p $(dir $(LOCK)) && $(if $(shell command -v flock),flock $(LOCK)) \
	    $(MAKE) $(if $(V),,--silent) -C $(DIRECTORY) $@ \
	    $(if $(PROGRAM),PROGRAM='$(call programs,$(PROGRAM))')

# The grader finds LAB, TEST, SEED, JOBS, FROM, SANDBOX, CC and OPT in its environment, where make puts what
# was given on the command line. Without LAB it grades every lab.
#
# Lost points are status 1, and a run that could not grade is 2; but a recipe that fails is always a
# 2 to make. Only when it is asked a question (-q: is this up to date?) is its answer 1: no. So it is
# asked: `graded` runs all the same, because of its +, and `grade` is out of date if points were lost.
ifeq ($(filter-out setup doctor grade,$(GOALS)),)
ifneq ($(filter grade,$(GOALS)),)
MAKEFLAGS += --question
endif
endif
# Its name is this make's own: somebody else may be grading here.
STATUS = build/grade.$(shell echo $$PPID).status
.PHONY: graded
graded:
	+@mkdir -p build; $(PYTHON) -m grade; status=$$?; \
	    [ $$status -le 1 ] || exit $$status; echo $$status > $(STATUS)
grade: graded
	$(if $(filter-out 0,$(shell cat $(STATUS); rm -f $(STATUS))),@exit 1)

ifdef TEST
debug:
	@$(PYTHON) -m grade --debug
else
debug: iso
	@$(PYTHON) -m tools.run --debug $(DIRECTORY)
endif

gdb:
	@sh tools/gdb $(DIRECTORY)

map:
	+@mkdir -p build && $(PYTHON) -m tools.map --lab $(LAB) \
	    $(if $(PROGRAM),--program $(call programs,$(PROGRAM)))

rewind:
	+@mkdir -p build && $(PYTHON) -m tools.rewind --lab $(LAB) \
	    $(if $(PROGRAM),--program $(call programs,$(PROGRAM)))

film:
	@$(PYTHON) -m grade.film

diff:
	@$(PYTHON) -m tools.diff --lab $(LAB) $(if $(AGAINST),--against "$$AGAINST")

# What a symlink leads to is listed where it lies, and only there. To ctags' own assembly language
# `bits` and `extern` would be labels, so nasm's is told in three lines.
WORD := [A-Za-z_][A-Za-z0-9_]*
NASM_TAGS := --langdef=nasm --langmap=nasm:.asm.inc --regex-nasm='/^($(WORD)):/\1/l,label/' \
    --regex-nasm='/^($(WORD)) +equ /\1/d,constant/' \
    --regex-nasm='/^ *%(macro|define) +($(WORD))/\2/m,macro/'
tags:
	+@for lab in $(LABS); do $(MAKE) --silent -C $$lab database || exit; done
	@command -v ctags > /dev/null || { echo "ctags is not installed. It comes with the package" \
	    "universal-ctags" >&2; exit 1; }
	@find common lab[1-9]-* -type f \( -name '*.[ch]' -o -name '*.asm' -o -name '*.inc' \) | \
	    LC_ALL=C sort | ctags -L - $(NASM_TAGS) --tag-relative=yes -f build/tags

# Students' trees are made without this file.
-include tools/authors.mk
