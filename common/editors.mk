# editors.mk: how each C file is compiled, for clangd and whatever else reads compile_commands.json.
# Each lab's list lies where the lab is built; beside them, that of all labs, which .clangd names.
#
# The lists are made from the variables of lab.mk's own rules, and before anything is compiled: an
# editor is to help with a file that does not compile yet. Whoever builds elsewhere, as the grader
# does, edits nothing there.
ifeq ($(BUILD),$(ROOT)/build/$(NAME))
DATABASE := compile_commands.json

.PHONY: database
database: $(ROOT)/build/$(DATABASE)
$(OBJECTS): | $(ROOT)/build/$(DATABASE)

# $(call entries,COMPILER AND FLAGS,FILES): one line for each file. The command is what the shell
# gets, as a string of JSON, as a word of the shell.
TAB := $(subst x,,x	x)
as_json = '$(subst ','\'',$(subst $(TAB),\t,$(subst ",\",$(subst \,\\,$(1)))))'
entries = for file in $(wildcard $(2)); do \
    printf '{"directory": "%s", "file": "%s", "command": "%s -c %s"}\n' \
    '$(ROOT)' "$$file" $(call as_json,$(1)) "$$file"; done;

# Lines of entries, also of several lists, become one list.
JOIN := awk '/^[{]/ { sub(/,$$/, ""); printf "%s%s", (n++ ? ",\n" : "[\n"), $$0 } END { print "\n]" }'

$(BUILD)/$(DATABASE): $(BUILD)/flags $(COMMON)/lab.mk $(COMMON)/editors.mk
	@{ $(call entries,$(CC) $(CFLAGS),$(ROOT)/$(NAME)/*.c $(COMMON)/kernel/*.c) \
	    $(call entries,$(CC) $(CFLAGS) $(PROBE_CFLAGS),$(abspath $(PROBES))/*.c) \
	    $(if $(USER),$(call entries,$(CC) $(USER_CFLAGS),$(USER)/*.c $(USER)/programs/*.c)) \
	} | $(JOIN) > $@.new && mv $@.new $@

$(ROOT)/build/$(DATABASE): $(BUILD)/$(DATABASE)
	@$(JOIN) $(ROOT)/build/lab[1-9]-*/$(DATABASE) > $@.$(NAME) && mv $@.$(NAME) $@
endif
