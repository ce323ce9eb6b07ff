# What instructors and Rung's own authors type. The trees that students get are made without it.

#: For instructors
#:   starter [LAB=n] [OUT=dir] [FRESH=1]       the students' tree: labs 1 to n without their solutions
#:                                             FRESH=1: earlier labs are given solved
#:   grade FROM=tree [SANDBOX=none]            a submission, in a box: its code sees and changes nothing
#:                                             here; SANDBOX=none: without, in throw-away containers
#:   class DIR=dir [OUT=results] [LAB=n]       a class: each entry of DIR is a student's submission,
#:         [JOBS=n] [ENGINE=parallel|slurm]    however it is packed; what was graded stays graded
#:         [SEEDS=roster.csv] [SECRET=text]    whose inputs have which seed; else of the term's secret
#:         [DETAIL=score|what|full]            how much the students are shown
#:   diff [LAB=n] AGAINST=path                 the reference against a submission
#:   bug [BUG=name]                            put a known bug in, and see it caught; the list of bugs
.PHONY: starter class bug check bochs lint bench platforms chapters
# Together with these, setup and doctor look at the tests' and the linters' packages as well.
ifneq ($(filter starter bug check bochs lint bench platforms,$(MAKECMDGOALS)),)
ROLE := authors
else ifneq ($(filter class,$(MAKECMDGOALS)),)
ROLE := class
endif

starter:
	@$(PYTHON) -m tools.starter --lab $(LAB) $(if $(OUT),--out "$$OUT") $(if $(FRESH),--fresh)

class:
	@$(if $(DIR),,$(error make class wants DIR=directory: what was handed in, an entry for each student))
	@$(PYTHON) -m tools.classroom "$$DIR"

bug:
	@$(PYTHON) -m tools.bug $(if $(BUG),"$$BUG")

#: For authors
#:   check                                     everything: lint, and every test of the project
#:   bochs                                     all hostile programs on a second processor, Bochs
#:   lint                                      formatting, static analysis of C, shell and Python
#:   bench [LAB=n]                             seconds per graded check, beside other courses'
#:   chapters                                  write what the chapters quote from the sources anew
#:   platforms [ON="bookworm trixie sid"]      as root: setup check on each release, in build/platforms
#:             [ROOTS=dir] [TOGETHER=n]        roots that are there already; so many at a time
check: lint
	@mkdir -p build/tests
	@$(PYTHON) -m pytest -q -n $(or $(JOBS),auto) --basetemp build/tests/tmp --durations 10 \
	    grade/tests

bochs:
	@mkdir -p build/tests
	@$(PYTHON) -m pytest -q -n $(or $(JOBS),auto) --basetemp build/tests/bochs \
	    grade/tests/bochs grade/tests/bochs/every_program.py

lint:
	@sh tools/lint

bench:
	@$(PYTHON) -m tools.bench $(if $(filter-out file,$(origin LAB)),--lab $(LAB))
	@$(PYTHON) -m tools.instructions

chapters:
	@$(PYTHON) -m tools.book --chapters

platforms:
	@$(PYTHON) -m tools.platforms $(ON)
