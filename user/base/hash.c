/* SPDX-License-Identifier: Apache-2.0 */
/* hash.h: grows at 3/4, never shrinks. */
#include "base/hash.h"

static int hash_grow(struct hash *h)
{
	size_t size = h->slots ? (h->mask + 1) * 2 : 16;
	struct hash bigger = { calloc(size, sizeof(*bigger.slots)), size - 1, h->n };

	if (!bigger.slots)
		return -ENOMEM;
	for (size_t i = 0; h->slots && i <= h->mask; i++)
		if (h->slots[i].key)
			bigger.slots[hash_slot_of(&bigger, h->slots[i].key)] = h->slots[i];
	free(h->slots);
	*h = bigger;
	return 0;
}

int hash_put(struct hash *h, uint64_t key, void *value)
{
	struct hash_slot *s;

	if (!h->slots || (h->n + 1) * 4 > (h->mask + 1) * 3) {
		int err = hash_grow(h);

		if (err)
			return err;
	}
	s = &h->slots[hash_slot_of(h, key)];
	if (!s->key)
		h->n++;
	*s = (struct hash_slot){ key, value };
	return 0;
}

void *hash_del(struct hash *h, uint64_t key)
{
	size_t hole, i;
	void *value;

	if (!h->slots)
		return NULL;
	hole = hash_slot_of(h, key);
	if (!h->slots[hole].key)
		return NULL;
	value = h->slots[hole].value;
	for (i = (hole + 1) & h->mask; h->slots[i].key; i = (i + 1) & h->mask) {
		size_t home = hash_mix(h->slots[i].key) & h->mask;

		if (((i - home) & h->mask) >= ((i - hole) & h->mask)) {
			h->slots[hole] = h->slots[i];
			hole = i;
		}
	}
	h->slots[hole] = (struct hash_slot){ 0 };
	h->n--;
	return value;
}

void hash_release(struct hash *h)
{
	free(h->slots);
	*h = (struct hash){ 0 };
}

void *hash_next(const struct hash *h, size_t *i)
{
	while (h->slots && *i <= h->mask) {
		struct hash_slot *s = &h->slots[(*i)++];

		if (s->key)
			return s->value;
	}
	return NULL;
}

uint64_t hash_bytes(uint64_t seed, const void *p, size_t n)
{
	const unsigned char *b = p;
	uint64_t h = seed ^ (n * 0x9E3779B97F4A7C15ull), w = 0;

	for (size_t i = 0; i + 8 < n; i += 8) {
		memcpy(&w, b + i, 8);
		h = (h ^ w) * 0x9E3779B97F4A7C15ull;
		h ^= h >> 32;
	}
	if (n >= 8)	/* the last word overlaps the one before: no call of memcpy() for the rest */
		memcpy(&w, b + n - 8, 8);
	else
		for (size_t i = 0; i < n; i++)
			w = w << 8 | b[i];
	return hash_mix(h ^ w);
}
