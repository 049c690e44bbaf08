/* SPDX-License-Identifier: Apache-2.0 */
/* The hot hash table: open addressing, linear probing, backward-shift deletion, keys are non-zero
 * u64 (hash longer keys first and compare in the value). Values are pointers. Not thread-safe. */
#ifndef SONDE_BASE_HASH_H
#define SONDE_BASE_HASH_H

#include "base/str.h"

/* 64-bit mix (splitmix64's finaliser); never 0. */
static inline uint64_t hash_mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ull;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebull;
	x ^= x >> 31;
	return x ? x : 1;
}

struct hash_slot {
	uint64_t key;		/* 0: free */
	void *value;
};

struct hash {
	struct hash_slot *slots;
	size_t mask;		/* slots - 1; 0 and slots == NULL while empty */
	size_t n;
};

/* Where that key is or would be; there are slots. */
static inline size_t hash_slot_of(const struct hash *h, uint64_t key)
{
	size_t i = hash_mix(key) & h->mask;

	while (h->slots[i].key && h->slots[i].key != key)
		i = (i + 1) & h->mask;
	return i;
}

static inline void *hash_get(const struct hash *h, uint64_t key)
{
	return h->slots ? h->slots[hash_slot_of(h, key)].value : NULL;
}

/* Inserts or replaces. -ENOMEM leaves the table as it was. */
int hash_put(struct hash *h, uint64_t key, void *value);
/* Removes; returns the value that was there or NULL. */
void *hash_del(struct hash *h, uint64_t key);
void hash_release(struct hash *h);

/* for (size_t i = 0; (v = hash_next(h, &i)); ): every value; deleting while iterating is not allowed. */
void *hash_next(const struct hash *h, size_t *i);

/* A hash of bytes; never 0. */
uint64_t hash_bytes(uint64_t seed, const void *p, size_t n);

#endif
