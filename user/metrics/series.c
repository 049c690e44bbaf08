/* SPDX-License-Identifier: Apache-2.0 */
/* series.h: lookup by a hash of the attributes that does not depend on their order, creation within the
 * limits, removal. A series and its strings are one block. */
#include "metrics/series.h"

#include "base/clock.h"

/* The last eighth of the memory is kept for overflow series, so that what comes is still counted. */
#define OVERFLOW_SHARE 8

static const struct attr overflow_attr = { .key = ATTR_METRIC_OVERFLOW, .type = ATTR_BOOL, .b = true };

static bool text_eq(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* ---- metrics ---- */

static char *text_put(char **at, const char *s)
{
	char *p = *at;

	*at = stpcpy(p, s ? s : "") + 1;
	return p;
}

static bool metric_own_names(struct metric *metric)
{
	struct metric_def *d = &metric->def;
	char *at = malloc(strlen(d->name) + str_of(d->unit).n + str_of(d->help).n + 3);

	metric->names = at;
	if (!at)
		return false;
	d->name = text_put(&at, d->name);
	d->unit = text_put(&at, d->unit);
	d->help = text_put(&at, d->help);
	return true;
}

static void metric_free(struct metric *metric)
{
	free(metric->names);
	free(metric->series);
	free(metric);
}

static int metric_register(struct metrics *m, struct metric *metric, uint64_t key)
{
	struct metric **more = realloc(m->metrics, (m->n_metrics + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	m->metrics = more;
	if (hash_put(&m->by_name, key, metric))
		return -ENOMEM;
	m->metrics[m->n_metrics++] = metric;
	return 0;
}

struct metric *metric_get(struct metrics *m, const struct metric_def *def)
{
	uint64_t key = hash_bytes(1, def->name, strlen(def->name));
	struct metric *metric = hash_get(&m->by_name, key);

	if (metric)
		return strcmp(metric->def.name, def->name) == 0 ? metric : NULL;
	metric = m->room >= sizeof(*metric) ? calloc(1, sizeof(*metric)) : NULL;
	if (!metric)
		return NULL;
	metric->def = *def;
	metric->binning = (struct binning){ def->bounds, def->scale_max, m->opt.explicit_buckets };
	if (!metric_own_names(metric) || metric_register(m, metric, key)) {
		metric_free(metric);
		return NULL;
	}
	m->room -= sizeof(*metric);
	return metric;
}

/* ---- attributes ---- */

static bool attr_value_eq(const struct attr *a, const struct attr *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case ATTR_STR:
		return str_eq(a->s, b->s);
	case ATTR_BOOL:
		return a->b == b->b;
	default:
		return a->i == b->i;	/* a double: by its bits */
	}
}

static bool attr_eq(const struct attr *a, const struct attr *b)
{
	return text_eq(a->key, b->key) && attr_value_eq(a, b);
}

static bool attrs_have(const struct attr *attrs, uint32_t n, const struct attr *a)
{
	for (uint32_t i = 0; i < n; i++)
		if (attr_eq(&attrs[i], a))
			return true;
	return false;
}

/* Equal as sets; the usual case is the same order. */
static bool attrs_eq(const struct attr *a, uint32_t n_a, const struct attr *b, uint32_t n_b)
{
	if (n_a != n_b)
		return false;
	for (uint32_t i = 0; i < n_a; i++)
		if (!attr_eq(&a[i], &b[i]) && !attrs_have(b, n_b, &a[i]))
			return false;
	return true;
}

/* Keys are left out: the values nearly always tell series apart, and comparison decides. */
static uint64_t attr_hash(const struct attr *a)
{
	switch (a->type) {
	case ATTR_STR:
		return hash_bytes(2, a->s.p, a->s.n);
	case ATTR_BOOL:
		return hash_mix(3 + a->b);
	default:
		return hash_mix((uint64_t)a->i + 5);
	}
}

static uint64_t series_hash(const struct metric *metric, uint32_t service, const struct attr *attrs,
			    uint32_t n)
{
	uint64_t sum = (uintptr_t)metric ^ (uint64_t)service << 48;

	for (uint32_t i = 0; i < n; i++)
		sum += attr_hash(&attrs[i]);
	return hash_mix(sum);
}

static size_t attrs_bytes(const struct attr *attrs, uint32_t n)
{
	size_t bytes = n * sizeof(*attrs);

	for (uint32_t i = 0; i < n; i++)
		bytes += strlen(attrs[i].key) + 1 + (attrs[i].type == ATTR_STR ? attrs[i].s.n : 0);
	return bytes;
}

static void attrs_copy(struct attr *to, const struct attr *attrs, uint32_t n)
{
	char *at = (char *)&to[n];

	for (uint32_t i = 0; i < n; i++) {
		to[i] = attrs[i];
		to[i].key = text_put(&at, attrs[i].key);
		if (attrs[i].type != ATTR_STR)
			continue;
		if (attrs[i].s.n)
			memcpy(at, attrs[i].s.p, attrs[i].s.n);
		to[i].s.p = at;
		at += attrs[i].s.n;
	}
}

/* ---- series ---- */

static bool series_is(const struct series *s, uint32_t service, const char *scope, const struct attr *attrs, uint32_t n)
{
	return s->service == service && text_eq(s->scope, scope) && attrs_eq(s->attrs, s->n_attrs, attrs, n);
}

static struct series *find_hashed(struct metrics *m, uint64_t hash, const struct metric *metric,
				  uint32_t service, const char *scope, const struct attr *attrs, uint32_t n)
{
	struct series *s = hash_get(&m->by_hash, hash);

	for (; s; s = s->same_hash)
		if (s->metric == metric && series_is(s, service, scope, attrs, n))
			return s;
	return NULL;
}

struct series *series_find(struct metrics *m, struct metric *metric, uint32_t service, const char *scope,
			   const struct attr *attrs, uint32_t n)
{
	uint64_t hash;

	n = MIN(n, SERIES_ATTRS_MAX);
	hash = series_hash(metric, service, attrs, n);
	return find_hashed(m, hash, metric, service, scope, attrs, n);
}

/* First series of a service number >= service. */
static size_t series_lower(const struct metric *metric, uint32_t service)
{
	size_t lo = 0, hi = metric->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (metric->series[mid]->service < service)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void series_range(const struct metric *metric, uint32_t service, size_t *from, size_t *to)
{
	*from = series_lower(metric, service);
	*to = series_lower(metric, service + 1);
}

static int metric_reserve(struct metric *metric)
{
	size_t cap = MAX(metric->cap * 2, (size_t)8);
	struct series **series;

	if (metric->n < metric->cap)
		return 0;
	series = realloc(metric->series, cap * sizeof(*series));
	if (!series)
		return -ENOMEM;
	metric->series = series;
	metric->cap = cap;
	return 0;
}

static void series_free(struct metrics *m, struct series *s)
{
	distribution_release(&s->now, &m->room);
	distribution_release(&s->before, &m->room);
	m->room += s->bytes;
	free(s);
}

static int series_init_distributions(struct metrics *m, struct series *s)
{
	const struct binning *b = &s->metric->binning;

	if (s->metric->def.type != METRIC_HISTOGRAM)
		return 0;
	if (distribution_init(&s->now, b, &m->room))
		return -ENOMEM;
	return m->opt.delta ? distribution_init(&s->before, b, &m->room) : 0;
}

/* Puts it where it is found: the hash table and its place among the metric's series. */
static int series_enter(struct metrics *m, struct series *s)
{
	struct metric *metric = s->metric;
	size_t at;

	if (metric_reserve(metric))
		return -ENOMEM;
	s->same_hash = hash_get(&m->by_hash, s->hash);
	if (hash_put(&m->by_hash, s->hash, s))
		return -ENOMEM;
	at = series_lower(metric, s->service + 1);
	memmove(metric->series + at + 1, metric->series + at, (metric->n - at) * sizeof(*metric->series));
	metric->series[at] = s;
	metric->n++;
	m->n_series++;
	return 0;
}

static struct series *series_new(struct metrics *m, uint64_t hash, struct metric *metric, uint32_t service,
				 const char *scope, const struct attr *attrs, uint32_t n)
{
	size_t bytes = sizeof(struct series) + attrs_bytes(attrs, n);
	struct series *s = m->room >= bytes ? calloc(1, bytes) : NULL;

	if (!s)
		return NULL;
	m->room -= bytes;
	s->metric = metric;
	s->hash = hash;
	s->service = service;
	s->scope = scope;
	s->created_unix_ns = clock_ns(CLOCK_REALTIME);
	s->bytes = bytes;
	s->n_attrs = n;
	attrs_copy(s->attrs, attrs, n);
	if (series_init_distributions(m, s) || series_enter(m, s)) {
		series_free(m, s);
		return NULL;
	}
	return s;
}

/* Room for one more ordinary series: its number leaves a place for the overflow series, its memory the
 * share of all overflow series. */
static bool series_allowed(const struct metrics *m, const struct metric *metric, uint32_t service)
{
	size_t from, to;

	series_range(metric, service, &from, &to);
	return to - from + 1 < m->opt.series_max && m->room > m->opt.memory_max / OVERFLOW_SHARE;
}

struct series *series_get(struct metrics *m, struct metric *metric, uint32_t service, const char *scope,
			  const struct attr *attrs, uint32_t n)
{
	struct series *s;
	uint64_t hash;

	n = MIN(n, SERIES_ATTRS_MAX);
	/* Requests of a kind come in rows: to compare costs half of what hashing and comparing do. */
	if (metric->recent && series_is(metric->recent, service, scope, attrs, n))
		return metric->recent;
	hash = series_hash(metric, service, attrs, n);
	s = find_hashed(m, hash, metric, service, scope, attrs, n);
	if (!s && series_allowed(m, metric, service))
		s = series_new(m, hash, metric, service, scope, attrs, n);
	if (s)
		return metric->recent = s;
	m->overflowed++;
	hash = series_hash(metric, service, &overflow_attr, 1);
	s = find_hashed(m, hash, metric, service, scope, &overflow_attr, 1);
	return s ? s : series_new(m, hash, metric, service, scope, &overflow_attr, 1);
}

static void series_unhash(struct metrics *m, struct series *s)
{
	struct series *head = hash_get(&m->by_hash, s->hash), *before = head;

	if (head == s && !s->same_hash) {
		hash_del(&m->by_hash, s->hash);
	} else if (head == s) {
		hash_put(&m->by_hash, s->hash, s->same_hash);	/* replaces: cannot fail */
	} else {
		while (before->same_hash != s)
			before = before->same_hash;
		before->same_hash = s->same_hash;
	}
}

void series_remove_service(struct metrics *m, uint32_t service)
{
	for (size_t i = 0; i < m->n_metrics; i++) {
		struct metric *metric = m->metrics[i];
		size_t from, to;

		series_range(metric, service, &from, &to);
		if (from == to)
			continue;
		m->epoch++;
		metric->recent = NULL;
		for (size_t k = from; k < to; k++) {
			series_unhash(m, metric->series[k]);
			series_free(m, metric->series[k]);
		}
		memmove(metric->series + from, metric->series + to,
			(metric->n - to) * sizeof(*metric->series));
		metric->n -= to - from;
		m->n_series -= to - from;
	}
}

static void series_clear(struct metrics *m)
{
	for (size_t i = 0; i < m->n_metrics; i++) {
		for (size_t k = 0; k < m->metrics[i]->n; k++)
			series_free(m, m->metrics[i]->series[k]);
		metric_free(m->metrics[i]);
	}
	free(m->metrics);
	hash_release(&m->by_name);
	hash_release(&m->by_hash);
}

/* ---- the registry ---- */

void metrics_free(struct metrics *m)
{
	if (!m)
		return;
	series_clear(m);
	exphist_release(&m->scratch.exp, &m->scratch_room);
	free(m);
}

static int metrics_register_red(struct metrics *m)
{
	for (size_t i = 0; i < INSTRUMENT_COUNT; i++)
		for (size_t k = 0; k < MEASURE_COUNT; k++) {
			if (!instruments[i][k].name)
				continue;
			m->red[i][k] = metric_get(m, &instruments[i][k]);
			if (!m->red[i][k])
				return -ENOMEM;
		}
	return 0;
}

int metrics_new(struct metrics **out, const struct metrics_options *opt)
{
	const struct binning any = { .scale_max = EXPHIST_SCALE_MAX, .explicit_only = opt->explicit_buckets };
	struct metrics *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->opt = *opt;
	m->room = opt->memory_max;
	m->scratch_room = 4096;		/* more than EXP_BUCKETS_MAX buckets */
	m->interval_unix_ns = clock_ns(CLOCK_REALTIME);
	if (metrics_register_red(m) || (opt->delta && distribution_init(&m->scratch, &any, &m->scratch_room))) {
		metrics_free(m);
		return -ENOMEM;
	}
	*out = m;
	return 0;
}
