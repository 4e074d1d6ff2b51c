# SPDX-License-Identifier: GPL-2.0-only
# The model's images without cargo, for work on the model itself: make -f build.mk OUT=/tmp/model
# emulator/build.rs does the same steps with the same flags, and builds the kernel once more, shuffled. Compiled from this directory, so that line information has no absolute path.

CC := clang-14
LD := ld.lld-14
OUT ?= /tmp/ctxfuzz-model

HERE := $(dir $(abspath $(lastword $(MAKEFILE_LIST))))
FLAGS := -mabi=elfv2 -mcpu=power9 -msoft-float -mno-altivec -mno-vsx -O2 -g -std=gnu11 -ffreestanding -fno-builtin -fno-pic \
	-fno-inline -fno-optimize-sibling-calls -fno-strict-aliasing -fno-jump-tables -fno-stack-protector \
	-fno-unwind-tables -fno-asynchronous-unwind-tables -Wall -Wextra -Werror \
	-fdebug-compilation-dir=. -Iinclude
TARGET_le := powerpc64le-linux-gnu
TARGET_be := powerpc64-linux-gnu

HEADERS := $(wildcard $(HERE)include/*.h)
KERNEL := $(notdir $(wildcard $(HERE)kernel/*.c $(HERE)kernel/*.S))
USER := $(notdir $(wildcard $(HERE)user/*.S))

all: $(OUT)/kernel.le $(OUT)/kernel.be $(OUT)/user.le $(OUT)/user.be

define endian
$(OUT)/$(1)/%.o: $(HERE)% $$(HEADERS)
	@mkdir -p $$(@D)
	cd $(HERE) && $(CC) --target=$(TARGET_$(1)) $(FLAGS) -c -o $$(abspath $$@) $$(<:$(HERE)%=%)

$(OUT)/kernel.$(1): $(KERNEL:%=$(OUT)/$(1)/kernel/%.o) $(HERE)kernel.lds
	$(LD) -static -nostdlib -T $(HERE)kernel.lds -o $$@ $$(filter %.o,$$^)

$(OUT)/user.$(1): $(USER:%=$(OUT)/$(1)/user/%.o) $(HERE)user.lds
	$(LD) -static -nostdlib -T $(HERE)user.lds -o $$@ $$(filter %.o,$$^)
endef
$(eval $(call endian,le))
$(eval $(call endian,be))

.PHONY: all
