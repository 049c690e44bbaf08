/* SPDX-License-Identifier: Apache-2.0 */
/* Objects of one size that come and go with every exchange: those given back wait here for the next. malloc()
 * and free() took a tenth of an exchange's instructions, as its own cache holds only seven of a size.
 * Zero it, set size and max. Not thread-safe. */
#ifndef SONDE_BASE_POOL_H
#define SONDE_BASE_POOL_H

#include "base/common.h"

/* Under AddressSanitizer nothing is kept, so that it sees every use after the end. */
#if defined(__SANITIZE_ADDRESS__)
#define POOL_KEEPS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_KEEPS 0
#endif
#endif
#ifndef POOL_KEEPS
#define POOL_KEEPS 1
#endif

struct pool {
	void *first;		/* each begins with a pointer to the next */
	size_t size;		/* of an object, at least that of a pointer */
	uint32_t n, max;	/* kept now, kept at most */
};

/* An object with any content; NULL when out of memory. free() may take it, too. */
static inline void *pool_take(struct pool *p)
{
	void *object = p->first;

	if (!object)
		return malloc(p->size);
	memcpy(&p->first, object, sizeof(p->first));
	p->n--;
	return object;
}

static inline void *pool_take_zeroed(struct pool *p)
{
	void *object = pool_take(p);

	return object ? memset(object, 0, p->size) : NULL;
}

static inline void pool_give(struct pool *p, void *object)
{
	if (!POOL_KEEPS || p->n >= p->max) {
		free(object);
		return;
	}
	memcpy(object, &p->first, sizeof(p->first));
	p->first = object;
	p->n++;
}

static inline void pool_release(struct pool *p)
{
	while (p->first) {
		void *object = pool_take(p);

		free(object);
	}
}

#endif
