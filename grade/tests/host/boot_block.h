/*
 * boot_block.h: a writer of Multiboot2 information (Multiboot2 specification 2.0, 3.6), by numbers
 * of its own: the headers under test are not used.
 */
#ifndef BOOT_BLOCK_H
#define BOOT_BLOCK_H

#include "host.h"

struct block {
    uint8_t bytes[4096];
    size_t size;
};

HELPER void put_u32(struct block *block, size_t at, uint64_t value)
{
    for (size_t i = 0; i < 4; i++)
        block->bytes[at + i] = (uint8_t)(value >> 8 * i);
}

HELPER void append(struct block *block, const void *bytes, size_t count)
{
    if (block->size + count > sizeof(block->bytes))
        fail(__FILE__, __LINE__, "the test's block is too small");
    memcpy(block->bytes + block->size, bytes, count);
    block->size += count;
}

HELPER void append_number(struct block *block, uint64_t value, size_t bytes)
{
    append(block, &value, bytes); /* little-endian, like the processor */
}

HELPER void block_begin(struct block *block)
{
    block->size = 0;
    append_number(block, 0, 8); /* the total size comes with block_end */
}

/* Begin a tag, behind the padding that the one before it needs; returns where. */
HELPER size_t tag_begin(struct block *block, uint32_t type)
{
    while (block->size % 8 != 0)
        append_number(block, 0xee, 1); /* padding may be anything */
    append_number(block, type, 4);
    append_number(block, 0, 4);
    return block->size - 8;
}

HELPER void tag_end(struct block *block, size_t tag)
{
    put_u32(block, tag + 4, block->size - tag);
}

HELPER void block_total(struct block *block)
{
    put_u32(block, 0, block->size);
}

HELPER void block_end(struct block *block)
{
    tag_end(block, tag_begin(block, 0));
    block_total(block);
}

HELPER void block_text(struct block *block, uint32_t type, const char *text)
{
    size_t tag = tag_begin(block, type);
    append(block, text, strlen(text) + 1);
    tag_end(block, tag);
}

HELPER void block_module(struct block *block, uint32_t start, uint32_t end, const char *text)
{
    size_t tag = tag_begin(block, 3);
    append_number(block, start, 4);
    append_number(block, end, 4);
    append(block, text, strlen(text) + 1);
    tag_end(block, tag);
}

/* A memory map of `count` entries of which entry i is (0x1000 * i, 0x100 + i, 1 + i % 5). */
HELPER size_t block_map(struct block *block, uint32_t entry_size, size_t count)
{
    size_t tag = tag_begin(block, 6);
    append_number(block, entry_size, 4);
    append_number(block, 0, 4);
    for (size_t i = 0; i < count; i++) {
        append_number(block, 0x1000 * i, 8);
        append_number(block, 0x100 + i, 8);
        append_number(block, 1 + i % 5, 8);
        for (size_t more = 24; more < entry_size; more++)
            append_number(block, 0xdd, 1);
    }
    tag_end(block, tag);
    return tag;
}

/* The block in memory of exactly `size` bytes, so that ASan sees one byte too far. */
HELPER void *exact_copy(const void *bytes, size_t size)
{
    void *copy = room(size);
    memcpy(copy, bytes, size);
    return copy;
}

#endif
