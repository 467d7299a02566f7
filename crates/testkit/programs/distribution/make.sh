# A small tree with rules of most kinds, built in parallel, then again, then after a change.
mkdir tree && cd tree || exit 1; mkdir src
for n in one two three four five; do echo "$n text" >src/$n.in; done
cat >Makefile <<'END'
SHELL := /bin/bash
SOURCES := $(sort $(wildcard src/*.in))
OBJECTS := $(SOURCES:src/%.in=out/%.o)
define count
$(words $(1)) of $(firstword $(1))
endef
.PHONY: all clean check
all: out/whole check
out/whole: $(OBJECTS)
	@cat $^ >$@; echo "joined $(notdir $@) from $(call count,$(notdir $^))"
out/%.o: src/%.in | out
	@sed 's/text/object/' $< >$@; [ -s $@ ] || exit 1
out: ; @mkdir -p $@
check: out/whole
	@sort $< | while read -r line; do echo "[$$line]"; done
	@$(MAKE) --no-print-directory -f sub.mk value=$(words $(OBJECTS))
clean: ; @rm -rf out; echo cleaned
fail: ; @exit 3
END
cat >sub.mk <<'END'
ifeq ($(value),5)
text = five
else
text = other
endif
$(info info $(shell echo shell) $(patsubst %.c,%.o,a.c b.c) $(foreach x,1 2 3,<$(x)>) $(if $(text),yes,no) $(subst a,b,banana) $(filter-out b,a b c))
sub: ; @echo $(text) $(MAKELEVEL) $(origin value) $(flavor text)
END
make -j4; make -j2 out/whole; sleep 0.05; echo changed text >>src/two.in; make -s -j4 all; make -n out/three.o | head -n 3; make -q nothing 2>/dev/null; echo "status $?"; make fail 2>/dev/null; echo "status $?"; make -k clean; ls
