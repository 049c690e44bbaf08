/* SPDX-License-Identifier: Apache-2.0 */
/* The hot hash table: open addressing, linear probing, backward-shift deletion, keys are non-zero
 * u64 (hash longer keys first and compare in the value). Values are pointers. Not thread-safe. */
#ifndef SONDE_BASE_HASH_H
#define SONDE_BASE_HASH_H

#include "base/str.h"

struct hash_slot {
	uint64_t key;		/* 0: free */
	void *value;
};

struct hash {
	struct hash_slot *slots;
	size_t mask;		/* slots - 1; 0 and slots == NULL while empty */
	size_t n;
};

void *hash_get(const struct hash *h, uint64_t key);
/* Inserts or replaces. -ENOMEM leaves the table as it was. */
int hash_put(struct hash *h, uint64_t key, void *value);
/* Removes; returns the value that was there or NULL. */
void *hash_del(struct hash *h, uint64_t key);
void hash_release(struct hash *h);

/* for (size_t i = 0; (v = hash_next(h, &i)); ): every value; deleting while iterating is not allowed. */
void *hash_next(const struct hash *h, size_t *i);

/* 64-bit mix (splitmix64's finaliser) and a hash of bytes; never 0. */
static inline uint64_t hash_mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ull;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebull;
	x ^= x >> 31;
	return x ? x : 1;
}
uint64_t hash_bytes(uint64_t seed, const void *p, size_t n);

#endif
