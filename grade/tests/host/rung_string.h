/*
 * rung_string.h: the kernel's string functions under names of their own, since on the host libc and
 * ASan own the usual ones. What is included behind it uses them too.
 */
#ifndef RUNG_STRING_H
#define RUNG_STRING_H

#include "host.h"

#define memcpy rung_memcpy
#define memmove rung_memmove
#define memset rung_memset
#define memcmp rung_memcmp
#define strlen rung_strlen
#define strnlen rung_strnlen
#define strcmp rung_strcmp
#define strncmp rung_strncmp

#include "string.c"

#endif
