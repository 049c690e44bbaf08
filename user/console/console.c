/* SPDX-License-Identifier: Apache-2.0 */
/* console.h: the screen. */
#include "console/console.h"

#include <poll.h>
#include <stdio.h>

#include "base/clock.h"
#include "console/plain.h"
#include "console/red.h"
#include "console/tree.h"

#define ROWS_MAX 64
#define LINES_MAX 512	/* spans kept for printing between two ticks */

struct row {		/* RED figures of a service (all its instances) as server or client of one protocol */
	char name[64];
	uint32_t service;	/* one of them: the newest */
	enum span_kind kind;
	const char *protocol;
	struct red red;
};

struct shown {
	char name[64];
	uint32_t pid;
	bool known, gone, traces_itself;
	struct console_coverage coverage;
};

struct console {
	struct console_options opt;
	bool terminal;
	char tier[16];
	uint64_t dropped, now_ns, due_ns, not_shown;
	size_t n_rows;
	struct row *rows[ROWS_MAX];
	struct shown services[SERVICES_MAX];
	struct forest forest;
	struct buf out;
	size_t lines;
};

int console_new(struct console **out, const struct console_options *opt)
{
	struct console *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->opt = *opt;
	c->terminal = !opt->json && isatty(opt->fd);
	*out = c;
	return 0;
}

void console_free(struct console *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_rows; i++)
		free(c->rows[i]);
	buf_release(&c->out);
	free(c);
}

void console_service(struct console *c, const struct service *s)
{
	struct shown *v = &c->services[s->number];

	plain_copy(v->name, sizeof(v->name), str_of(s->name));
	v->pid = s->pid;
	v->gone = s->gone;
	v->traces_itself = s->exports_otlp;
	v->known = true;
}

void console_coverage(struct console *c, uint32_t service, const struct console_coverage *v)
{
	c->services[service].coverage = *v;
}

void console_status(struct console *c, const char *tier, uint64_t dropped)
{
	snprintf(c->tier, sizeof(c->tier), "%s", tier);
	c->dropped = dropped;
}

static const char *service_name(void *ctx, uint32_t service)
{
	const struct console *c = ctx;

	return service < SERVICES_MAX && c->services[service].known ? c->services[service].name : "?";
}

static struct row *row_of(struct console *c, const struct span *sp)
{
	const char *name = service_name(c, sp->service);
	struct row *r;

	for (size_t i = 0; i < c->n_rows; i++)
		if (c->rows[i]->kind == sp->kind && c->rows[i]->protocol == sp->protocol && !strcmp(c->rows[i]->name, name))
			return c->rows[i];
	if (c->n_rows == ROWS_MAX || !(r = calloc(1, sizeof(*r))))
		return NULL;
	snprintf(r->name, sizeof(r->name), "%s", name);
	r->kind = sp->kind;
	r->protocol = sp->protocol;
	c->rows[c->n_rows++] = r;
	return r;
}

void console_red(struct console *c, const struct span *sp)
{
	struct row *r = c->opt.json ? NULL : row_of(c, sp);

	if (!r)
		return;
	r->service = sp->service;
	red_add(&r->red, c->now_ns, sp->duration_ns, sp->status == STATUS_ERROR);
}

static void line_of(struct console *c, const struct span *sp)
{
	char trace[9], name[160];

	plain_copy(name, sizeof(name), sp->name);
	for (int i = 0; i < 4; i++)
		snprintf(trace + 2 * i, 3, "%02x", sp->trace.b[i]);
	buf_printf(&c->out, "%s %-20s %-6s %-40s %10.3f ms%s\n", trace, service_name(c, sp->service),
		   sp->kind == SPAN_CLIENT ? "client" : "server", name, (double)sp->duration_ns / 1e6,
		   sp->status == STATUS_ERROR ? "  ERROR" : "");
}

void console_span(struct console *c, const struct span *sp)
{
	struct span *one = (struct span *)sp;

	if (c->opt.json) {
		otlp_json_spans(&c->out, &one, 1, c->opt.resources);
		return;
	}
	forest_add(&c->forest, sp);
	if (c->terminal)
		return;
	if (c->lines++ < LINES_MAX)
		line_of(c, sp);
	else
		c->not_shown++;
}

static void draw_services(struct console *c)
{
	size_t n = 0;

	for (uint32_t i = 1; i < SERVICES_MAX; i++) {
		const struct shown *s = &c->services[i];

		if (!s->known || s->gone || n++ >= 20)
			continue;
		buf_printf(&c->out, "%s%s (pid %u%s)", n > 1 ? ", " : "watching ", s->name, s->pid,
			   s->traces_itself ? ", traces itself" : "");
	}
	if (n > 20)
		buf_printf(&c->out, " and %zu more", n - 20);
	buf_str(&c->out, n ? STR("\n") : STR("watching nothing yet\n"));
}

static void draw_rows(struct console *c)
{
	buf_printf(&c->out, "\n%-20s %-7s %-11s %9s %9s %7s %9s %9s %9s %9s\n", "SERVICE", "SIDE", "PROTOCOL", "REQUESTS",
		   "RATE/s", "ERRORS", "P50 ms", "P95 ms", "P99 ms", "COVERAGE");
	for (size_t i = 0; i < c->n_rows; i++) {
		const struct row *r = c->rows[i];
		const struct shown *s = &c->services[r->service];
		struct red_view v;

		red_read(&r->red, c->now_ns, &v);
		buf_printf(&c->out, "%-20.20s %-7s %-11s %9llu %9.1f %6.1f%% %9.3f %9.3f %9.3f ",
			   r->name, r->kind == SPAN_CLIENT ? "client" : "server", r->protocol,
			   (unsigned long long)r->red.total, v.per_second, 100 * v.error_ratio, v.p50_ms, v.p95_ms, v.p99_ms);
		if (s->coverage.turns)
			buf_printf(&c->out, "%8.1f%%\n", 100.0 * (double)s->coverage.understood / (double)s->coverage.turns);
		else
			buf_str(&c->out, STR("        -\n"));
	}
}

static void draw_screen(struct console *c)
{
	const struct tree *t = forest_pick(&c->forest);

	if (c->terminal)
		buf_str(&c->out, STR("\033[H\033[2J"));
	if (c->not_shown)
		buf_printf(&c->out, "... and %llu more spans\n", (unsigned long long)c->not_shown);
	c->not_shown = 0;
	buf_printf(&c->out, "\nsonde %s, tier %s, %llu records dropped", SONDE_VERSION, c->tier[0] ? c->tier : "?",
		   (unsigned long long)c->dropped);
	if (c->opt.scrape)
		buf_printf(&c->out, ", metrics at %s", c->opt.scrape);
	buf_char(&c->out, '\n');
	draw_services(c);
	draw_rows(c);
	buf_char(&c->out, '\n');
	if (t)
		tree_draw(t, &c->out, service_name, c);
	memset(&c->forest, 0, sizeof(c->forest));
}

/* A reader that has gone or stopped must not stop us: what does not fit now is dropped. */
static void write_out(struct console *c)
{
	struct pollfd p = { .fd = c->opt.fd, .events = POLLOUT };
	size_t at = 0;

	while (at < c->out.n && poll(&p, 1, 1000) == 1 && (p.revents & POLLOUT)) {
		ssize_t n = write(c->opt.fd, c->out.p + at, MIN(c->out.n - at, (size_t)4096));

		if (n <= 0)
			break;
		at += (size_t)n;
	}
	buf_clear(&c->out);
	c->lines = 0;
}

void console_metrics(struct console *c, struct metrics *m)
{
	otlp_json_metrics(&c->out, m, false, false, clock_ns(CLOCK_REALTIME), c->opt.resources);
}

void console_tick(struct console *c, uint64_t now_ns)
{
	uint64_t period = c->terminal ? NSEC_PER_SEC : 10 * NSEC_PER_SEC;

	c->now_ns = now_ns;
	if (!c->due_ns)
		c->due_ns = now_ns + period;
	if (!c->opt.json && now_ns >= c->due_ns) {
		c->due_ns = now_ns + period;
		draw_screen(c);
	}
	if (c->out.n)
		write_out(c);
}

void console_flush(struct console *c, uint64_t now_ns)
{
	c->due_ns = now_ns;
	console_tick(c, now_ns);
}
