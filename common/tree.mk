# tree.mk: what a tree must be like before make builds anything in it. What is wrong ends make in
# words: those of a compiler or a shell that comes across it would be obscure.

GIVEN := $(dir $(lastword $(MAKEFILE_LIST)))

# ---- Names that go through make, the shell, gcc's options and GRUB must come out as they went in.
# ---- (grade/options.py has the same list.)
HASH := \#
ODD  := ' " ` $$ & | ; : \ < > { } ( ) [ ] * ? ! ~ = % $(HASH)
odd_in = $(strip $(foreach c,$(ODD),$(findstring $c,$(1))))

ifneq ($(words $(CURDIR)),1)
$(error make and the shell cannot work with a blank in a path; move $(CURDIR))
endif
ifneq ($(call odd_in,$(CURDIR)),)
$(error make and the shell cannot work with $(firstword $(call odd_in,$(CURDIR))) in a path; \
    move $(CURDIR))
endif
ifneq ($(shell printf %s "$(CURDIR)" | LC_ALL=C tr -dc '\001-\037\177' | od -An),)
$(error make and the shell cannot work with a control character in a path; move this directory)
endif

# $(call programs,FILES): their absolute names, once it is sure that they are there and can be had.
programs = $(foreach pattern,$(1),$(foreach file,\
    $(or $(wildcard $(pattern)),$(error PROGRAM=$(1): there is no file $(pattern))),\
    $(if $(wildcard $(file)/.),$(error PROGRAM=$(1): $(file) is a directory))\
    $(if $(call odd_in,$(file)),$(error PROGRAM=$(1): make and the shell cannot work with \
        $(firstword $(call odd_in,$(file))) in a path))\
    $(abspath $(file))))

# ---- What a tree loses in a ZIP, or through git for Windows: symlinks become files that hold a path,
# ---- and lines get a carriage return, with which no script runs. (In a lab's own sources that does no
# ---- harm.) $(call tree_fault,ROOT): has a file that nobody edits one, and are labs' symlinks text?
define look_at_tree =
if LC_ALL=C grep -q "$$(printf '\r')" $(GIVEN)symbols.awk; then
    echo "the lines of this tree's files end with a carriage return, as on Windows, and its tools";
    echo "cannot be run; get the tree with git clone -c core.autocrlf=false";
    exit;
fi;
cd $(1) && set -- $$(find lab[1-9]-* -maxdepth 1 -type f -size -2 -exec
    grep -lE '^\.\./lab[1-9]-[^/]*/[^/]*$$' '{}' + 2>/dev/null);
if [ $$# -gt 0 ]; then
    echo "$$1 is text here and a symlink in a good tree (one of $$#); get the tree with git clone,";
    echo "or unpack it with something that keeps symlinks, as unzip and tar do";
fi
endef
tree_fault = $(shell $(look_at_tree))
