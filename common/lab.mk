# lab.mk: how a lab is built. A lab's Makefile sets LAB and includes this file.
#
#   make            the kernel, $(BUILD)/kernel.elf
#   make iso        a disc that GRUB boots, on BIOS and on UEFI: $(BUILD)/rung.iso
#   make probe      the kernel with the grader's probes linked in: $(BUILD)/kernel-probe.elf
#
# A lab is all the C and assembly files of its directory, and those of common/kernel. The
# project's Makefile has the commands for people.

# A file that has become a symlink is as new as the symlink.
MAKEFLAGS += -L

# The lab is built where it is, the rest comes from where this file is: so a submission's lab can be
# built with another tree's common (make -f), which is what the grader does.
COMMON := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
ROOT   := $(patsubst %/,%,$(dir $(CURDIR)))
NAME   := $(notdir $(CURDIR))
LAB    ?= $(patsubst lab%,%,$(firstword $(subst -, ,$(NAME))))
BUILD  ?= $(ROOT)/build/$(NAME)
include $(dir $(lastword $(MAKEFILE_LIST)))tree.mk
FAULT  := $(call tree_fault,$(ROOT))
$(if $(FAULT),$(error $(FAULT)))
PROBES ?= $(COMMON)/../grade/probes
OPT    ?= -O2
$(if $(filter-out -%,$(OPT)),$(error OPT=$(OPT) is no option of a compiler: OPT=-O0 is one))
NASM   ?= nasm

# The kernel is x86-64 code: where the machine is another, its tools have a prefix, and gcc means the
# gcc with that prefix. (tools/cross and grade/toolchain.py choose the same.) One clang makes all.
ifeq ($(origin CROSS),undefined)
CROSS := $(if $(filter x86_64,$(shell uname -m)),,x86_64-linux-gnu-)
endif
ifeq ($(origin CC),default)
CC := gcc
endif
override CC := $(patsubst gcc,$(CROSS)gcc,$(CC))
ifeq ($(origin LD),default)
LD := $(CROSS)ld
endif
NM      ?= $(CROSS)nm
OBJCOPY ?= $(CROSS)objcopy
TARGET  := $(if $(CROSS),$(if $(findstring clang,$(CC)),--target=x86_64-linux-gnu))

# V=1 shows the commands; without it, what they make.
ifeq ($(V),)
Q    := @
SHOW  = @printf '  %-7s %s\n' $(1) $(patsubst $(ROOT)/%,%,$(2))
else
Q    :=
SHOW :=
endif

.DEFAULT_GOAL := kernel
.DELETE_ON_ERROR:
.SUFFIXES:
override BUILD := $(abspath $(BUILD))

# -mno-red-zone: an interrupt overwrites what lies below RSP. -mgeneral-regs-only: the kernel
# never touches a program's FPU or SSE state. Frame pointers are kept for the backtrace. An exercise
# that is not written yet leaves parameters and helpers unused: that is no reason for a warning.
# The environment's flags are for other programs, also with make -e; those of the command line would
# take these away.
$(foreach flags,CFLAGS ASFLAGS LDFLAGS,$(if $(findstring command,$(origin $(flags))),\
    $(error $(flags)= would take away what a kernel needs; EXTRA_CFLAGS= adds to it)))
override CFLAGS := -std=c11 $(OPT) -g -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
    -Wvla -Wno-unused-parameter -Wno-unused-function -ffreestanding -fno-builtin -fno-pic \
    -fno-pie -fno-stack-protector -mcmodel=kernel -mno-red-zone -mgeneral-regs-only \
    -fno-omit-frame-pointer -mno-omit-leaf-frame-pointer -fno-strict-aliasing \
    -fno-asynchronous-unwind-tables \
    $(TARGET) -fcf-protection=none -ffile-prefix-map=$(ROOT)/= -ffile-prefix-map=$(COMMON)/=common/ \
    -fdebug-prefix-map=$(ROOT)=. -I$(COMMON)/include -I$(ROOT)/$(NAME) $(WERROR) $(EXTRA_CFLAGS)
PROBE_CFLAGS := -ffile-prefix-map=$(abspath $(PROBES))/=probes/
override ASFLAGS := -f elf64 -g -F dwarf -w+error=label-orphan -I$(COMMON)/include/ -I$(NAME)/ -I$(BUILD)/
override LDFLAGS := -nostdlib -static -z max-page-size=0x1000 -z noexecstack --build-id=none

# The objects of each directory, in the same order on every machine. What is compiled for its numbers
# only (offsets.h) is no part of the kernel.
sources = $(filter-out %_offsets.c,$(sort $(notdir $(wildcard $(1)/*.c $(1)/*.asm))))
OBJECTS := $(patsubst %,$(BUILD)/obj/$(NAME)/%.o,$(call sources,$(ROOT)/$(NAME))) \
           $(patsubst %,$(BUILD)/obj/common/kernel/%.o,$(call sources,$(COMMON)/kernel))
OFFSETS := $(patsubst $(ROOT)/%,$(BUILD)/obj/%.s,$(sort $(wildcard $(ROOT)/$(NAME)/*_offsets.c)))
PROBE_OBJECTS := $(patsubst %,$(BUILD)/obj/probes/%.o,$(call sources,$(PROBES)))

.PHONY: kernel probe iso clean FORCE
kernel: $(BUILD)/kernel.elf
probe:  $(BUILD)/kernel-probe.elf
iso:    $(BUILD)/rung.iso
clean:
	rm -rf $(BUILD)

include $(COMMON)/editors.mk

# ---- Rebuilt when the flags change, not only when the files do.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(CFLAGS) $(NASM) $(ASFLAGS) $(LDFLAGS) $(OBJECTS) $(OFFSETS)' | cmp -s - $@ \
	    || echo '$(CC) $(CFLAGS) $(NASM) $(ASFLAGS) $(LDFLAGS) $(OBJECTS) $(OFFSETS)' > $@

# ---- Compile and assemble, from the directory above the sources, so that messages and debug
# ---- information name files the same way on every machine. nasm would put the absolute path of its
# ---- input into the kernel; so it gets the preprocessed text as a file that has no name any more.
# ---- To nasm 2.16 a line behind its own `%line 22+1 file` is the 23rd: gdb would show the wrong one.
# ---- READS=1: beside each object stands what was read for it, also by .incbin (OBJECT.read; for C,
# ---- what the preprocessor read, in the .d files). The grader looks there. READS=-fno-integrated-as
# ---- for clang, whose own assembler does not tell.
COMMA := ,
if_listed = $(if $(READS),$(1))

define compile =
@mkdir -p $(@D)
$(call SHOW,CC,$<)
$(Q)cd $(ROOT) && $(CC) $(CFLAGS) $(1) -MD -MP $(call if_listed,$(READS:1=) -Wa$(COMMA)--MD$(COMMA)$@.read) \
    -c $(abspath $<) -o $@
endef

define assemble =
@mkdir -p $(@D)
$(call SHOW,NASM,$<)
$(Q)cd $(1) && $(NASM) $(ASFLAGS) $(call if_listed,-MD $@.read) -E -o $@.E $(2)
$(Q)awk '/^%line [0-9]+\+1 / { $$2 = $$2 - 1 "+1" } 1' $@.E > $@.i && rm $@.E
$(Q)exec 3< $@.i && rm $@.i && $(NASM) $(ASFLAGS) \
    $(call if_listed,-MD $@.more.read) -o $@ /proc/self/fd/3
endef

INCLUDED := $(BUILD)/flags $(BUILD)/constants.inc $(COMMON)/lab.mk \
    $(wildcard $(COMMON)/include/*.inc $(ROOT)/$(NAME)/*.inc)

# ---- Programs, from lab 3 on: static files that Linux runs too. Each is made twice, with
# ---- SYSCALL and with int 0x80.
ifneq ($(filter-out 1 2,$(LAB)),)
USER := $(COMMON)/user
PROGRAMS := $(patsubst $(USER)/programs/%.c,$(BUILD)/user/%,$(wildcard $(USER)/programs/*.c))
PROGRAMS := $(PROGRAMS:%=%.elf) $(PROGRAMS:%=%-int80.elf)
LIBRARY := $(BUILD)/user/library.c.o $(USER)/user.ld
define link_program =
$(call SHOW,LD,$@)
$(Q)$(LD) $(LDFLAGS) -T $(USER)/user.ld -o $@ $(filter %.o,$^)
endef
override USER_CFLAGS := -std=c11 -O2 -g -Wall -Wextra -ffreestanding -fno-builtin -fno-pic -fno-pie \
    -fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none $(TARGET) \
    -ffile-prefix-map=$(COMMON)/=common/ -fdebug-prefix-map=$(abspath $(COMMON)/..)=. \
    -I$(USER)/include $(WERROR)
INCLUDED += $(PROGRAMS)

$(BUILD)/user/%.c.o: $(USER)/%.c $(USER)/include/rung.h $(BUILD)/flags
	@mkdir -p $(@D)
	$(call SHOW,CC,$<)
	$(Q)cd $(COMMON)/.. && $(CC) $(USER_CFLAGS) -c $< -o $@
$(BUILD)/user/start-%.o: $(USER)/start.asm $(BUILD)/flags
	@mkdir -p $(@D)
	$(call SHOW,NASM,$<)
	$(Q)cd $(USER) && $(NASM) -f elf64 -DSYSCALL_BY_$* -o $@ start.asm
$(BUILD)/user/%-int80.elf: $(BUILD)/user/programs/%.c.o $(LIBRARY) $(BUILD)/user/start-INT80.o
	$(link_program)
$(BUILD)/user/%.elf: $(BUILD)/user/programs/%.c.o $(LIBRARY) $(BUILD)/user/start-SYSCALL.o
	$(link_program)
.SECONDARY:
endif

$(BUILD)/obj/$(NAME)/%.c.o: $(ROOT)/$(NAME)/%.c $(BUILD)/flags
	$(compile)
$(BUILD)/obj/common/kernel/%.c.o: $(COMMON)/kernel/%.c $(BUILD)/flags
	$(compile)
$(BUILD)/obj/probes/%.c.o: $(PROBES)/%.c $(BUILD)/flags
	$(call compile,$(PROBE_CFLAGS))
$(BUILD)/obj/$(NAME)/%.asm.o: $(ROOT)/$(NAME)/%.asm $(INCLUDED)
	$(call assemble,$(ROOT),$(NAME)/$*.asm)
$(BUILD)/obj/common/kernel/%.asm.o: $(COMMON)/kernel/%.asm $(INCLUDED)
	$(call assemble,$(COMMON)/..,common/kernel/$*.asm)

# ---- The constants of C for nasm: numbers of headers, and where fields lie (offsets.h).
$(BUILD)/obj/$(NAME)/%_offsets.c.s: $(ROOT)/$(NAME)/%_offsets.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(Q)cd $(ROOT) && $(CC) $(CFLAGS) -MD -MP -S $(abspath $<) -o $@

$(BUILD)/constants.inc: $(COMMON)/include/layout.h $(COMMON)/include/x86_bits.h \
    $(COMMON)/include/errno.h $(COMMON)/include/syscall_numbers.h $(COMMON)/include/uart.h \
    $(OFFSETS) $(BUILD)/flags
	@mkdir -p $(@D)
	$(Q)cat $(filter %.h,$^) | tr -d '\r' | \
	    sed -n 's/^#define \([A-Z0-9_]*\) \(0x[0-9a-f]*\|[0-9]*\)$$/%define \1 \2/p' > $@
	$(if $(OFFSETS),$(Q)sed -n 's/.*"-> \([A-Z0-9_]* [0-9]*\)".*/%define \1/p' $(OFFSETS) >> $@)

$(BUILD)/kernel.ld: $(COMMON)/kernel.ld $(COMMON)/include/layout.h $(BUILD)/flags
	$(Q)$(CC) $(TARGET) -E -P -x c -I$(COMMON)/include $< -o $@

# ---- Link twice: the names for the backtrace come from the first result. They lie behind the
# ---- code, so the second link moves no function.
define link =
$(call SHOW,LD,$@)
$(Q)$(LD) $(LDFLAGS) -T $(BUILD)/kernel.ld -o $@.first $(1) $(BUILD)/symbols-none.o
$(Q)$(NM) -n $@.first | awk -f $(COMMON)/symbols.awk > $@.symbols.asm
$(Q)cd $(@D) && $(NASM) -f elf64 -o $(@F).symbols.o $(@F).symbols.asm
$(Q)$(LD) $(LDFLAGS) -T $(BUILD)/kernel.ld -o $@ $(1) $@.symbols.o
$(Q)rm -f $@.first $@.symbols.asm $@.symbols.o
endef

$(BUILD)/symbols-none.o: $(COMMON)/symbols.awk $(BUILD)/flags
	$(Q)awk -f $< /dev/null > $(@:.o=.asm)
	$(Q)$(NASM) -f elf64 -o $@ $(@:.o=.asm)

$(BUILD)/kernel.elf: $(OBJECTS) $(BUILD)/kernel.ld $(BUILD)/symbols-none.o
	$(call link,$(OBJECTS))

$(BUILD)/kernel-probe.elf: $(OBJECTS) $(PROBE_OBJECTS) $(BUILD)/kernel.ld $(BUILD)/symbols-none.o
	$(call link,$(OBJECTS) $(PROBE_OBJECTS))

# ---- The disc. Fixed dates and a fixed disk GUID make the same disc from the same kernel, but for
# ---- the four bytes of a serial number that mformat draws, and the time in the name of a file by
# ---- which GRUB 2.12 and newer find their disc; no fonts, themes and languages make it small.
DATE  := 2023111422132000
EPOCH := 1700000000
GUID  := 52756e67-0000-4000-8000-00000000000$(LAB)
# CMDLINE is the kernel's command line. PROGRAM names files that come along as modules, each under
# its name without .elf; ARGS are the words after it. The files have a directory of their own on the
# disc: there none can replace the kernel.
FILES := $(call programs,$(PROGRAM))
NAMES := $(basename $(notdir $(FILES)))
ifneq ($(words $(sort $(NAMES))),$(words $(NAMES)))
$(error PROGRAM=$(PROGRAM): two of these files have one name, and programs are found by name)
endif
plain = $(foreach c,' " & | ; \ { } < > $$ $(HASH),$(if $(findstring $c,$(ARGS) $(CMDLINE)),\
    $(error $c in ARGS= or CMDLINE=: GRUB, which reads them, would take it for its own)))
MODULES := $(foreach file,$(FILES),load module2 /boot/programs/$(notdir $(file)) \
    $(basename $(notdir $(file))) $(ARGS)\n)
fill_in = sed 's|@CMDLINE@|$(CMDLINE)|; s|@MODULES@|$(MODULES)|' $<
# Fedora's has a 2.
MKRESCUE = $(if $(shell command -v grub2-mkrescue),grub2-mkrescue,grub-mkrescue)

$(BUILD)/grub.cfg: $(COMMON)/grub.cfg FORCE
	$(plain)@mkdir -p $(@D)
	@$(fill_in) | cmp -s - $@ || $(fill_in) > $@

# Whoever boots the old disc while the new one is made is to have a whole one.
$(BUILD)/rung.iso: $(BUILD)/kernel.elf $(BUILD)/grub.cfg $(FILES)
	$(call SHOW,ISO,$@)
	$(Q)rm -rf $(BUILD)/iso && mkdir -p $(BUILD)/iso/boot/grub $(BUILD)/iso/boot/programs
	$(Q)$(OBJCOPY) --strip-all $(BUILD)/kernel.elf $(BUILD)/iso/boot/kernel.elf
	$(Q)cp $(BUILD)/grub.cfg $(BUILD)/iso/boot/grub/grub.cfg
	$(Q)$(if $(FILES),cp $(FILES) $(BUILD)/iso/boot/programs/)
	$(Q)SOURCE_DATE_EPOCH=$(EPOCH) $(MKRESCUE) -o $@.new \
	    --fonts= --themes= --locales= $(BUILD)/iso -- \
	    -volume_date uuid $(DATE) -volume_date all_file_dates $(DATE) \
	    -boot_image any gpt_disk_guid=$(GUID) 2> $(BUILD)/mkrescue.log \
	    || { grep -E ' (FAILURE|FATAL) |rror|not found' $(BUILD)/mkrescue.log; exit 1; }
	$(Q)mv $@.new $@

-include $(OBJECTS:.o=.d) $(OFFSETS:.s=.d) $(PROBE_OBJECTS:.o=.d)
