/* SPDX-License-Identifier: Apache-2.0 */
/* The span: what one exchange means, in OpenTelemetry's words. It goes from proto/ (describe) through
 * span/ (ids, parent, hold) to metrics/, export/ and the console. A span owns all its memory by its
 * arena; string views in it point into that arena, into literals, or into the service table. */
#ifndef SONDE_SPAN_SPAN_H
#define SONDE_SPAN_SPAN_H

#include "base/arena.h"
#include "bpf/event.h"
#include "span/semconv.h"

#define SPAN_ATTRS_MAX 28
#define SPAN_LINKS_MAX 4

struct trace_id { uint8_t b[16]; };	/* all zero: none */
struct span_id { uint8_t b[8]; };	/* all zero: none */

enum attr_type { ATTR_STR, ATTR_INT, ATTR_DOUBLE, ATTR_BOOL };
struct attr {
	const char *key;		/* a literal (semconv.h) or arena memory */
	enum attr_type type;
	bool dimension;			/* also an attribute of the exchange's metrics (bounded cardinality) */
	union {
		struct str s;
		int64_t i;
		double d;
		bool b;
	};
};

enum span_kind {	/* values of OTLP's Span.SpanKind */
	SPAN_INTERNAL = 1, SPAN_SERVER, SPAN_CLIENT, SPAN_PRODUCER, SPAN_CONSUMER
};
enum span_status { STATUS_UNSET, STATUS_OK, STATUS_ERROR };	/* OTLP's Status.StatusCode */

/* Which metrics the span's duration and sizes go to. */
enum instrument { INSTRUMENT_NONE, INSTRUMENT_HTTP_SERVER, INSTRUMENT_HTTP_CLIENT, INSTRUMENT_DB_CLIENT };

/* Trace context that came on the wire (W3C Trace Context, or b3 mapped to it). */
struct trace_context {
	bool present;
	uint8_t flags;			/* bit 0: sampled */
	struct trace_id trace;
	struct span_id parent;
	struct str tracestate;		/* may be empty */
};

/* What the link methods look at; all times CLOCK_MONOTONIC. */
struct evidence {
	uint64_t exchange;		/* hash of {client isn, server isn, request position}: equal at both ends */
	bool peer_watched;		/* the other end of the connection is a watched process too */
	uint32_t tgid;			/* of this end */
	uint32_t request_tid, response_tid;	/* threads that moved the first bytes, 0 unknown */
	uint64_t connected_ns;		/* client, first exchange of its connection: when it was opened; 0 else */
	uint64_t request_task, response_task;	/* goroutines etc., 0 unknown */
	uint64_t request_first_ns, request_last_ns, response_first_ns, response_last_ns;	/* 0 unknown */
};

struct span_link {
	struct trace_id trace;
	struct span_id span;
	const char *method;
	float confidence;
};

struct span {
	struct span *next;		/* whoever holds the span may chain it */
	struct arena arena;
	uint32_t service;		/* number of the watched service instance */
	uint32_t peer_service;		/* if the other end is watched, else 0 */
	enum span_kind kind;
	enum span_status status;
	enum instrument instrument;
	const char *protocol;		/* struct proto's name */
	struct str name;
	struct str status_message;
	struct trace_id trace;
	struct span_id id, parent;
	uint8_t flags;			/* W3C trace flags */
	const char *link_method;	/* how the parent was found: literal, NULL for a root */
	float link_confidence;		/* 0..1 */
	uint64_t start_unix_ns, end_unix_ns;
	uint64_t duration_ns;		/* by CLOCK_MONOTONIC: right even when the wall clock is stepped */
	int64_t request_size, response_size;	/* body bytes, -1 unknown */
	double weight;			/* 1/p while sampled, else 1 */
	void *series;			/* metrics_record()'s note for metrics_exemplar() */
	uint32_t series_epoch;
	struct trace_context wire;
	struct evidence evidence;
	uint32_t n_attrs, dropped_attrs, n_links;
	struct attr attrs[SPAN_ATTRS_MAX];
	struct span_link links[SPAN_LINKS_MAX];
};

/* A zeroed span with weight 1 and unknown sizes; -ENOMEM. */
int span_new(struct span **out);
void span_free(struct span *sp);
void span_freep(struct span **sp);

/* Adds an attribute. Strings are taken as views: they must live as long as the span (span_str_dup
 * copies). Over SPAN_ATTRS_MAX: counted in dropped_attrs. Empty strings are not added. */
void span_str(struct span *sp, const char *key, struct str v, bool dimension);
void span_str_dup(struct span *sp, const char *key, struct str v, bool dimension);
void span_int(struct span *sp, const char *key, int64_t v, bool dimension);
void span_double(struct span *sp, const char *key, double v);
void span_bool(struct span *sp, const char *key, bool v);

/* The attribute of that key, or NULL. */
const struct attr *span_attr(const struct span *sp, const char *key);

static inline bool trace_id_is_set(const struct trace_id *t)
{
	uint64_t w[2];

	memcpy(w, t, sizeof(w));
	return w[0] | w[1];
}
static inline bool span_id_is_set(const struct span_id *s)
{
	uint64_t w;

	memcpy(&w, s, sizeof(w));
	return w;
}

#endif
