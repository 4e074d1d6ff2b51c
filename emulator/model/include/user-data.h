/* SPDX-License-Identifier: GPL-2.0-only */
/* Addresses in user data (docs/internals.md section 3) that C and assembly share. */
#ifndef USER_DATA_H
#define USER_DATA_H

#include "asm-offsets.h"

#define SHARED_PAGE USER_DATA
#define SHARED_NEXT 0
#define SHARED_BLOCKS 8
#define SHARED_FUTEX 16

#define CONTROL_BLOCKS 0x1000 /* from the shared page */

#endif
