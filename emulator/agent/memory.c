// SPDX-License-Identifier: GPL-2.0-only
// What the compiler calls by itself.
#include "types.h"

void *memcpy(void *dest, const void *src, size_t count)
{
	for (size_t i = 0; i < count; i++)
		((u8 *)dest)[i] = ((const u8 *)src)[i];
	return dest;
}

void *memset(void *dest, int value, size_t count)
{
	for (size_t i = 0; i < count; i++)
		((u8 *)dest)[i] = (u8)value;
	return dest;
}
