/* SPDX-License-Identifier: Apache-2.0 */
/* web.h: one thread of libmicrohttpd; a table of paths. Everything served is made anew per request. */
#include "web/web.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/gzip.h"
#include "web/listen.h"
#include "web/negotiate.h"

#define CONNECTIONS_MAX 64u
#define IDLE_TIMEOUT_S 15u
#define CONNECTION_MEMORY (32u * 1024)	/* request line and headers */
#define GZIP_MIN 512			/* bytes: below it gzip gains nothing */

struct web {
	struct MHD_Daemon *daemon;
	struct web_sink sink;
	bool loopback;
	char host_name[HOST_NAME_MAX_LEN];
	uint16_t port;
};

struct answer {
	unsigned int status;
	const char *content_type;
	struct buf body;
};

struct request {
	bool openmetrics;
};

static void answer_text(struct answer *a, unsigned int status, const char *text)
{
	a->status = status;
	buf_clear(&a->body);
	buf_printf(&a->body, "%s\n", text);
}

static void get_index(const struct web *w, const struct request *rq, struct answer *a)
{
	(void)w;
	(void)rq;
	answer_text(a, MHD_HTTP_OK,
		    "sonde\n\n"
		    "/metrics  Prometheus text format; OpenMetrics when asked for\n"
		    "/livez    200 while sonde works\n"
		    "/readyz   200 once it watches, 503 with the reason before");
}

static void get_metrics(const struct web *w, const struct request *rq, struct answer *a)
{
	a->content_type = rq->openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
					  : "text/plain; version=0.0.4; charset=utf-8";
	if (w->sink.metrics(w->sink.ctx, rq->openmetrics, &a->body) || a->body.failed) {
		a->content_type = "text/plain; charset=utf-8";
		answer_text(a, MHD_HTTP_INTERNAL_SERVER_ERROR, "the metrics could not be written");
	}
}

static void get_livez(const struct web *w, const struct request *rq, struct answer *a)
{
	bool live = w->sink.live(w->sink.ctx);

	(void)rq;
	answer_text(a, live ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, live ? "ok" : "not live");
}

static void get_readyz(const struct web *w, const struct request *rq, struct answer *a)
{
	const char *why = "not ready";
	bool ready = w->sink.ready(w->sink.ctx, &why);

	(void)rq;
	answer_text(a, ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, ready ? "ok" : why);
}

static const struct page {
	const char *path;
	void (*get)(const struct web *w, const struct request *rq, struct answer *a);
} pages[] = {
	{ "/", get_index },
	{ "/metrics", get_metrics },
	{ "/livez", get_livez },
	{ "/readyz", get_readyz },
};

static const struct page *page_find(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
		if (strcmp(path, pages[i].path) == 0)
			return &pages[i];
	return NULL;
}

/* Replaces the body by its gzip form; leaves it alone when that fails. */
static bool answer_pack(struct answer *a)
{
	struct buf packed = { 0 };

	if (gzip_compress(&packed, (struct str){ a->body.p, a->body.n })) {
		buf_release(&packed);
		return false;
	}
	buf_release(&a->body);
	a->body = packed;
	return true;
}

/* Hands the body over to libmicrohttpd, which leaves it out of an answer to HEAD. */
static enum MHD_Result answer_send(struct MHD_Connection *c, struct answer *a, bool gzip)
{
	bool packed = gzip && a->body.n >= GZIP_MIN && answer_pack(a);
	struct MHD_Response *r = MHD_create_response_from_buffer(a->body.n, a->body.p, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result result;

	if (!r) {
		buf_release(&a->body);
		return MHD_NO;
	}
	MHD_add_response_header(r, "Content-Type", a->content_type);
	MHD_add_response_header(r, "Vary", "Accept, Accept-Encoding");
	MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
	if (packed)
		MHD_add_response_header(r, "Content-Encoding", "gzip");
	if (a->status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(r, "Allow", "GET, HEAD");
	result = MHD_queue_response(c, a->status, r);
	MHD_destroy_response(r);
	return result;
}

static struct str header(struct MHD_Connection *c, const char *name)
{
	return str_of(MHD_lookup_connection_value(c, MHD_HEADER_KIND, name));
}

static bool is_get(const char *method)
{
	return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

static void answer_make(const struct web *w, struct MHD_Connection *c, const char *path, const char *method,
			struct answer *a)
{
	struct request rq = { .openmetrics = accepts_openmetrics(header(c, "Accept")) };
	const struct page *page = page_find(path);

	/* A page in somebody's browser could rebind its own name to 127.0.0.1 and read us. */
	if (w->loopback && !host_is_local(header(c, "Host"), str_of(w->host_name)))
		answer_text(a, MHD_HTTP_FORBIDDEN, "this Host is not served here");
	else if (!page)
		answer_text(a, MHD_HTTP_NOT_FOUND, "no such page; / names those that exist");
	else if (!is_get(method))
		answer_text(a, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD");
	else
		page->get(w, &rq, a);
}

/* libmicrohttpd calls it when the headers are there, for each piece of an upload, and at its end. */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c, const char *path, const char *method,
				  const char *version, const char *upload, size_t *upload_n, void **seen)
{
	struct answer a = { .status = MHD_HTTP_OK, .content_type = "text/plain; charset=utf-8" };
	const struct web *w = ctx;

	(void)version;
	(void)upload;
	if (!*seen) {
		*seen = ctx;
		return MHD_YES;
	}
	if (*upload_n) {
		*upload_n = 0;
		return MHD_YES;
	}
	answer_make(w, c, path, method, &a);
	return answer_send(c, &a, accepts_gzip(header(c, "Accept-Encoding")));
}

/* A listening socket of our own, so that errors are told apart and port 0 works. */
static int listen_open(const struct listen_address *la, uint16_t *port)
{
	_cleanup_(closep) int fd = socket(la->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_storage bound;
	socklen_t n = sizeof(bound);
	int one = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)&la->addr, la->n) || listen(fd, CONNECTIONS_MAX) ||
	    getsockname(fd, (struct sockaddr *)&bound, &n))
		return -errno;
	*port = bound.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&bound)->sin6_port)
					    : ntohs(((struct sockaddr_in *)&bound)->sin_port);
	return TAKE_FD(fd);
}

int web_new(struct web **out, const char *listen, const struct web_sink *sink)
{
	struct listen_address address;
	struct web *w;
	int err = listen_parse(str_of(listen), &address), fd;

	if (err)
		return err;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->sink = *sink;
	w->loopback = address.loopback;
	if (gethostname(w->host_name, sizeof(w->host_name) - 1))
		w->host_name[0] = '\0';
	fd = listen_open(&address, &w->port);
	if (fd < 0) {
		free(w);
		return fd;
	}
	w->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, on_request, w,
				     MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
				     MHD_OPTION_CONNECTION_TIMEOUT, IDLE_TIMEOUT_S,
				     MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_END);
	if (!w->daemon) {
		close(fd);
		free(w);
		return -EIO;
	}
	*out = w;
	return 0;
}

void web_free(struct web *w)
{
	if (!w)
		return;
	MHD_stop_daemon(w->daemon);
	free(w);
}

uint16_t web_port(const struct web *w)
{
	return w->port;
}
