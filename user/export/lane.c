/* SPDX-License-Identifier: Apache-2.0 */
/* lane.h: the thread. One lock guards queue, counters and the stop request; it is never held while
 * encoding, sending or logging. */
#include "export/lane.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "export/send.h"

#define LOG_INTERVAL_NS (60 * NSEC_PER_SEC)

static const char *const signal_names[] = { [SIGNAL_TRACES] = "traces", [SIGNAL_METRICS] = "metrics" };
_Static_assert(ARRAY_SIZE(signal_names) == SIGNAL_COUNT, "name every signal");

struct counters {
	uint64_t sent, queue_full, rejected, failed, requests, retries, request_ns;
	char last_error[160];
};

/* What the log was told about failures; the thread's own. */
struct trouble {
	bool now;
	uint64_t logged_ns, failures, lost;
};

struct lane {
	struct lane_options opt;
	struct sender *sender;
	pthread_t thread;
	bool thread_runs;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	/* under lock */
	struct queue queue;
	struct counters counters;
	bool stopping;
	uint64_t stop_at_ns;
	/* the thread's own */
	struct buf scratch;
	struct queue_item *batch;
	uint64_t not_before_ns;		/* the server asked for a pause */
	uint32_t random;
	struct trouble trouble;
};

/* Waits for a wake-up until then; lock held. */
static void lane_sleep_until(struct lane *l, uint64_t ns)
{
	struct timespec t = { .tv_sec = (time_t)(ns / NSEC_PER_SEC), .tv_nsec = (long)(ns % NSEC_PER_SEC) };

	pthread_cond_timedwait(&l->wake, &l->lock, &t);
}

/* First failure at once, then at most one line a minute with the counts, then one when it works again. */
static void lane_log(struct lane *l, const struct send_result *r, uint64_t lost)
{
	struct trouble *t = &l->trouble;
	const char *name = signal_names[l->opt.signal];
	uint64_t now = monotonic_ns();

	t->lost += lost;
	if (!r->error[0] && r->verdict == SEND_OK) {
		if (t->now)
			log_info("export of %s works again (%llu failures, %llu items lost)", name,
				 (unsigned long long)t->failures, (unsigned long long)t->lost);
		*t = (struct trouble){ 0 };
		return;
	}
	t->failures++;
	if (t->now && now - t->logged_ns < LOG_INTERVAL_NS)
		return;
	log_warn("export of %s: %s (%llu failures, %llu items lost)", name, r->error,
		 (unsigned long long)t->failures, (unsigned long long)t->lost);
	t->now = true;
	t->logged_ns = now;
}

static void lane_count(struct lane *l, const struct send_result *r, uint64_t items)
{
	uint64_t lost = r->verdict == SEND_OK ? MIN(r->rejected, items) : items;

	pthread_mutex_lock(&l->lock);
	l->counters.sent += items - lost;
	if (r->verdict == SEND_OK || (r->answered && r->verdict != SEND_RETRY))
		l->counters.rejected += lost;
	else
		l->counters.failed += lost;
	if (r->error[0])
		memcpy(l->counters.last_error, r->error, sizeof(r->error));
	pthread_mutex_unlock(&l->lock);
	lane_log(l, r, lost);
}

/* One attempt, counted. */
static void lane_attempt(struct lane *l, struct str request, uint64_t give_up_at_ns, struct send_result *r)
{
	uint64_t start = monotonic_ns(), left_ms = 0;

	if (give_up_at_ns > start)
		left_ms = (give_up_at_ns - start) / NSEC_PER_MSEC;
	sender_send(l->sender, request, (uint32_t)MIN(left_ms, (uint64_t)l->opt.target->timeout_ms), r);
	pthread_mutex_lock(&l->lock);
	l->counters.requests++;
	l->counters.request_ns += monotonic_ns() - start;
	if (r->error[0])
		memcpy(l->counters.last_error, r->error, sizeof(r->error));
	pthread_mutex_unlock(&l->lock);
}

/* Waits for the next attempt. False: there will be none. At shutdown an endpoint that answers is asked
 * again until the deadline; one that cannot be reached holds nobody up. */
static bool lane_wait_retry(struct lane *l, unsigned int attempt, const struct send_result *r,
			    uint64_t give_up_at_ns)
{
	uint64_t wait_ms, until;
	bool again;

	l->random = l->random * 1664525u + 1013904223u;
	wait_ms = r->retry_after_ms ? r->retry_after_ms : retry_backoff_ms(attempt, l->random >> 8);
	until = monotonic_ns() + wait_ms * NSEC_PER_MSEC;
	if (until >= give_up_at_ns) {
		l->not_before_ns = r->retry_after_ms ? until : 0;
		return false;
	}
	pthread_mutex_lock(&l->lock);
	while (monotonic_ns() < until && !(l->stopping && (!r->answered || until > l->stop_at_ns)))
		lane_sleep_until(l, until);
	again = !l->stopping || (r->answered && until <= l->stop_at_ns);
	l->counters.retries += again;
	pthread_mutex_unlock(&l->lock);
	return again;
}

static void lane_send(struct lane *l, struct str request, struct send_result *r)
{
	uint64_t give_up_at_ns = monotonic_ns() + l->opt.export_timeout_ms * NSEC_PER_MSEC;

	for (unsigned int attempt = 0;; attempt++) {
		lane_attempt(l, request, give_up_at_ns, r);
		if (r->verdict != SEND_RETRY)
			return;
		lane_log(l, r, 0);
		if (!lane_wait_retry(l, attempt, r, give_up_at_ns))
			return;
	}
}

static uint64_t items_count(const struct queue_item *items, size_t n)
{
	uint64_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += items[i].count;
	return count;
}

/* Sends items; what is too large for the endpoint or for us goes in two halves. */
static void lane_deliver(struct lane *l, const struct queue_item *items, size_t n)
{
	struct send_result r = { 0 };
	struct str request = { 0 };

	buf_clear(&l->scratch);
	if (l->opt.encode(l->opt.ctx, items, n, &l->scratch, &request))
		send_error(&r, SEND_DROP, "%zu items could not be encoded", n);
	else if (request.n > REQUEST_MAX)
		send_error(&r, SEND_SPLIT, "a request of %zu bytes is too large", request.n);
	else
		lane_send(l, request, &r);
	if (r.verdict == SEND_SPLIT && n > 1) {
		lane_deliver(l, items, n / 2);
		lane_deliver(l, items + n / 2, n - n / 2);
		return;
	}
	r.answered |= r.verdict == SEND_SPLIT;
	lane_count(l, &r, items_count(items, n));
}

/* Waits until there is a full batch, the delay is over or the end comes. Returns the batch's size;
 * 0 with *end set: nothing is left to do. */
static size_t lane_next_batch(struct lane *l, bool *end)
{
	uint64_t due = monotonic_ns() + l->opt.delay_ms * NSEC_PER_MSEC, now;
	size_t n;

	pthread_mutex_lock(&l->lock);
	while (!l->stopping) {
		now = monotonic_ns();
		if (now < l->not_before_ns)
			lane_sleep_until(l, l->not_before_ns);
		else if (l->queue.n >= l->opt.batch_max || (l->queue.n && now >= due))
			break;
		else if (now >= due && l->opt.delay_ms)
			due = now + l->opt.delay_ms * NSEC_PER_MSEC;
		else if (l->opt.delay_ms)
			lane_sleep_until(l, due);
		else
			pthread_cond_wait(&l->wake, &l->lock);
	}
	*end = l->stopping && (!l->queue.n || monotonic_ns() >= l->stop_at_ns);
	n = *end ? 0 : queue_take(&l->queue, l->batch, l->opt.batch_max);
	pthread_mutex_unlock(&l->lock);
	return n;
}

static void lane_finish_batch(struct lane *l, size_t n)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++) {
		bytes += l->batch[i].bytes;
		l->opt.discard(l->batch[i].value);
	}
	pthread_mutex_lock(&l->lock);
	queue_done(&l->queue, bytes);
	pthread_mutex_unlock(&l->lock);
	/* One large batch should not keep its memory for ever. */
	if (l->scratch.size > REQUEST_MAX / 4)
		buf_release(&l->scratch);
}

/* What the deadline left behind is lost, and said. */
static void lane_abandon(struct lane *l)
{
	struct send_result r = { 0 };
	uint64_t left;

	pthread_mutex_lock(&l->lock);
	left = l->queue.count;
	pthread_mutex_unlock(&l->lock);
	if (!left)
		return;
	send_error(&r, SEND_RETRY, "the shutdown deadline passed");
	lane_count(l, &r, left);
}

/* Signals are the main thread's; and OpenSSL writes to closed sockets in a way that raises SIGPIPE. */
static void block_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
}

static void *lane_main(void *ctx)
{
	struct lane *l = ctx;
	bool end = false;
	size_t n;

	block_signals();
	while (n = lane_next_batch(l, &end), !end) {
		lane_deliver(l, l->batch, n);
		lane_finish_batch(l, n);
	}
	lane_abandon(l);
	return NULL;
}

static int lane_init_sync(struct lane *l)
{
	pthread_condattr_t attr;
	int err;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	err = pthread_cond_init(&l->wake, &attr);
	pthread_condattr_destroy(&attr);
	if (err)
		return -err;
	return -pthread_mutex_init(&l->lock, NULL);
}

int lane_new(struct lane **out, const struct lane_options *opt)
{
	struct lane *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return -ENOMEM;
	l->opt = *opt;
	l->opt.batch_max = MIN(MAX(opt->batch_max, (size_t)1), MAX(opt->capacity, (size_t)1));
	l->random = (uint32_t)monotonic_ns();
	l->batch = calloc(l->opt.batch_max, sizeof(*l->batch));
	err = l->batch ? lane_init_sync(l) : -ENOMEM;
	if (!err)
		err = queue_init(&l->queue, opt->capacity, opt->bytes_max, opt->discard);
	if (!err)
		err = sender_new(&l->sender, opt->target, opt->signal);
	if (!err)
		err = -pthread_create(&l->thread, NULL, lane_main, l);
	if (err) {
		lane_free(l);
		return err;
	}
	l->thread_runs = true;
	*out = l;
	return 0;
}

void lane_push(struct lane *l, struct queue_item item)
{
	pthread_mutex_lock(&l->lock);
	l->counters.queue_full += queue_push(&l->queue, item);
	if (l->queue.n >= l->opt.batch_max || !l->opt.delay_ms)
		pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->lock);
}

void lane_lost(struct lane *l, uint32_t count)
{
	pthread_mutex_lock(&l->lock);
	l->counters.queue_full += count;
	pthread_mutex_unlock(&l->lock);
}

void lane_stop_begin(struct lane *l, uint64_t deadline_ns)
{
	if (!l || !l->thread_runs)
		return;
	pthread_mutex_lock(&l->lock);
	l->stopping = true;
	l->stop_at_ns = deadline_ns;
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->lock);
	sender_abort_at(l->sender, deadline_ns);
}

void lane_stop_wait(struct lane *l)
{
	if (!l || !l->thread_runs)
		return;
	pthread_join(l->thread, NULL);
	l->thread_runs = false;
}

void lane_free(struct lane *l)
{
	if (!l)
		return;
	lane_stop_begin(l, monotonic_ns());
	lane_stop_wait(l);
	sender_free(l->sender);
	if (l->queue.ring)
		queue_release(&l->queue);
	buf_release(&l->scratch);
	free(l->batch);
	pthread_cond_destroy(&l->wake);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

void lane_stats(struct lane *l, struct export_stats *out)
{
	enum signal s = l->opt.signal;

	pthread_mutex_lock(&l->lock);
	out->sent[s] = l->counters.sent;
	out->dropped_queue_full[s] = l->counters.queue_full;
	out->dropped_rejected[s] = l->counters.rejected;
	out->dropped_failed[s] = l->counters.failed;
	out->requests[s] = l->counters.requests;
	out->retries[s] = l->counters.retries;
	out->request_ns[s] = l->counters.request_ns;
	out->queued[s] = l->queue.count;
	out->queued_bytes[s] = l->queue.bytes + l->queue.bytes_taken;
	memcpy(out->last_error[s], l->counters.last_error, sizeof(l->counters.last_error));
	pthread_mutex_unlock(&l->lock);
}
