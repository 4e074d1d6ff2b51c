/* SPDX-License-Identifier: GPL-2.0-only */
/* Basic types and attributes. */
#ifndef TYPES_H
#define TYPES_H

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;
typedef unsigned long size_t;
typedef long ssize_t;
typedef _Bool bool;

#define true 1
#define false 0
#define NULL ((void *)0)

#define __aligned(n) __attribute__((aligned(n)))
#define __noreturn __attribute__((noreturn))
/*
 * Linux inlines these; here everything else is a real frame, so that call traces can be compared.
 */
#define __inline static inline __attribute__((always_inline, unused))

#define offsetof(type, member) __builtin_offsetof(type, member)
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* linux/errno.h: what the model returns. The ERESTART group never reaches user space. */
#define ESRCH 3
#define EINTR 4
#define EAGAIN 11
#define EFAULT 14
#define EINVAL 22
#define ENOTTY 25
#define ENOSYS 38
#define ERESTARTSYS 512
#define ERESTARTNOINTR 513
#define MAX_ERRNO 4095

#define IS_ERR_VALUE(x) ((unsigned long)(x) >= (unsigned long)-MAX_ERRNO)
#define ERR_PTR(error) ((void *)(long)(error))
#define PTR_ERR(ptr) ((long)(ptr))
#define IS_ERR(ptr) IS_ERR_VALUE(ptr)

void *memcpy(void *dest, const void *src, size_t count);
void *memset(void *dest, int value, size_t count);

#endif
